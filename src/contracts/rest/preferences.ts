import { z } from 'zod';
import { agentSchema } from '../agents.js';
import { lineSchema } from '../text.js';
import { organizationParams, route } from './route.js';

/** What a member's work is done with where another system asks for it in their name; null: what mapping and WORKFLOW.md say. */
export const preferencesSchema = z.strictObject({
  agent: agentSchema.nullable(),
  model: lineSchema(200).nullable(),
});
export type Preferences = z.infer<typeof preferencesSchema>;

const path = '/api/v1/organizations/{org}/preferences';

export const showPreferencesRoute = route({
  method: 'GET',
  path,
  access: 'member',
  summary: 'With which agent and model my work from Linear and GitHub is done',
  params: organizationParams,
  answer: { status: 200, body: preferencesSchema },
});

export const patchPreferencesRoute = route({
  method: 'PATCH',
  path,
  access: 'member',
  summary:
    'Choose agent or model for my work from Linear and GitHub (null: no choice of mine); what is left out stays',
  params: organizationParams,
  body: preferencesSchema.partial(),
  answer: { status: 200, body: preferencesSchema },
});
