import { z } from 'zod';
import { agentSchema, providerSchema } from '../agents.js';
import { awsRegionSchema } from '../proxy.js';
import { lineSchema } from '../text.js';
import { idSchema, listOf, organizationParams, pageQuerySchema, route } from './route.js';

const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? null);

const fields = {
  /** As it stands before the number of an issue: ENG of ENG-12. */
  linearTeamKey: z
    .string()
    .trim()
    .toUpperCase()
    .regex(/^[A-Z0-9_]{1,20}$/, 'must be the key of a Linear team, as ENG of ENG-12'),
  /** Only issues of this project, by its name; of any without it. */
  linearProject: lineSchema(200).nullable(),
  /** Only issues with this label, by its name. */
  label: lineSchema(200).nullable(),
  /** As for a workspace: `owner/name`, or an https git URL. */
  repository: z.string().min(1).max(1000),
  /** Where work begins; the repository's own default branch without it. */
  branch: z.string().min(1).max(250).nullable(),
  agent: agentSchema.nullable(),
  provider: providerSchema,
  awsRegion: awsRegionSchema.nullable(),
  /** Passed on to the agent as it is; WORKFLOW.md of the repository comes before it. */
  model: lineSchema(200).nullable(),
  enabled: z.boolean(),
};

/** All of a mapping; what is left out is not set. */
export const mappingInputSchema = z
  .strictObject({
    ...fields,
    linearProject: optional(fields.linearProject),
    label: optional(fields.label),
    branch: optional(fields.branch),
    agent: optional(fields.agent),
    provider: fields.provider.default('anthropic'),
    awsRegion: optional(fields.awsRegion),
    model: optional(fields.model),
    enabled: fields.enabled.default(true),
  })
  .refine(({ provider, awsRegion }) => provider === 'anthropic' || awsRegion !== null, {
    path: ['awsRegion'],
    error: 'is missing: Bedrock is asked in one AWS region, for example us-east-1',
  })
  .refine(({ provider, awsRegion }) => provider === 'bedrock' || awsRegion === null, {
    path: ['awsRegion'],
    error: 'is only for the provider bedrock',
  })
  .refine(({ provider, agent }) => provider === 'anthropic' || agent !== 'codex', {
    path: ['agent'],
    error: 'must be claude: Codex does not work with Bedrock',
  });
export type MappingInput = z.output<typeof mappingInputSchema>;

const mappingChangeSchema = z.strictObject(fields).partial();
export type MappingChange = z.output<typeof mappingChangeSchema>;

export const mappingViewSchema = z.object({
  id: z.uuid(),
  linearTeamKey: z.string(),
  linearProject: z.string().nullable(),
  label: z.string().nullable(),
  repository: z.string(),
  branch: z.string().nullable(),
  agent: agentSchema.nullable(),
  provider: providerSchema,
  awsRegion: z.string().nullable(),
  model: z.string().nullable(),
  enabled: z.boolean(),
});
export type MappingView = z.infer<typeof mappingViewSchema>;

const mappings = '/api/v1/organizations/{org}/mappings';
const mappingParams = organizationParams.extend({ id: idSchema });

export const listMappingsRoute = route({
  method: 'GET',
  path: mappings,
  access: 'member',
  summary: 'List which repositories work for Linear teams goes to',
  params: organizationParams,
  query: pageQuerySchema,
  answer: { status: 200, body: listOf(mappingViewSchema) },
});

export const createMappingRoute = route({
  method: 'POST',
  path: mappings,
  access: 'admin',
  summary: 'Send work for a Linear team (of a project, with a label) to a repository',
  params: organizationParams,
  body: mappingInputSchema,
  answer: { status: 201, body: mappingViewSchema },
});

export const showMappingRoute = route({
  method: 'GET',
  path: `${mappings}/{id}`,
  access: 'member',
  summary: 'Show a mapping',
  params: mappingParams,
  answer: { status: 200, body: mappingViewSchema },
});

export const putMappingRoute = route({
  method: 'PUT',
  path: `${mappings}/{id}`,
  access: 'admin',
  summary: 'Say a mapping anew, all of it; workspaces that are there stay as they are',
  params: mappingParams,
  body: mappingInputSchema,
  answer: { status: 200, body: mappingViewSchema },
});

export const patchMappingRoute = route({
  method: 'PATCH',
  path: `${mappings}/{id}`,
  access: 'admin',
  summary: 'Change what is said of a mapping, and nothing else; workspaces that are there stay as they are',
  params: mappingParams,
  body: mappingChangeSchema,
  answer: { status: 200, body: mappingViewSchema },
});

export const deleteMappingRoute = route({
  method: 'DELETE',
  path: `${mappings}/{id}`,
  access: 'admin',
  summary: 'Remove a mapping',
  params: mappingParams,
  answer: { status: 204, body: null },
});
