import { z } from 'zod';
import * as contracts from '../contracts/rest/index.js';
import { problemSchema, type RouteContract } from '../contracts/rest/index.js';
import { takesKey } from './idempotency/key.js';

/** Every route of the outside contract, as data. */
export const publicRoutes: readonly RouteContract[] = (Object.values(contracts) as unknown[]).filter(isRoute);

function isRoute(value: unknown): value is RouteContract {
  return (
    typeof value === 'object' && value !== null && 'method' in value && 'access' in value && 'answer' in value
  );
}

const accessText: Record<RouteContract['access'], string> = {
  public: 'Open to everybody.',
  person: 'For signed-in persons and API keys.',
  member: 'For members of the organization; to others it does not exist (404).',
  admin: 'For admins and owners of the organization.',
  'instance-administrator': 'For administrators of this instance.',
  runner: 'For runners.',
  proxy: 'For proxies.',
};

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A text of your choice, best a random UUID, that makes it safe to send this request again: it has one effect, and its answer (errors included) is given again for 24 hours. Another request with the same key: 422 `idempotency-key-reused`. The first one still under way: 409 `idempotency-key-in-use`, with Retry-After.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$' },
};
const idempotencyReplayed = {
  description: '`true` when this answer was given before, to the same request with the same Idempotency-Key.',
  schema: { type: 'string', enum: ['true'] },
};

/** OpenAPI 3.1, whose schema language is JSON Schema as zod writes it: from the same objects that validate. */
export function openApiDocument(serverUrl: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of publicRoutes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version: '1',
      description: 'Coding-agent workspaces that start with the right person’s credentials.',
    },
    servers: [{ url: serverUrl }],
    security: [{ apiKey: [] }, { session: [] }],
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, berth_…' },
        session: { type: 'apiKey', in: 'cookie', name: 'berth_session' },
      },
      schemas: { Problem: schemaOf(problemSchema, 'output') },
    },
    paths,
  };
}

function operation(route: RouteContract): Record<string, unknown> {
  const { status, body, contentType = 'application/json' } = route.answer;
  const content = body ? { content: { [contentType]: { schema: schemaOf(body, 'output') } } } : {};
  return {
    summary: route.summary,
    description: accessText[route.access],
    tags: [tagOf(route.path)],
    parameters: [
      ...parameters('path', route.params),
      ...parameters('query', route.query),
      ...(takesKey(route) ? [idempotencyKey] : []),
    ],
    ...(route.body
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(route.body, 'input') } },
          },
        }
      : {}),
    responses: {
      [status]: {
        description: 'Done',
        ...(takesKey(route) ? { headers: { 'Idempotency-Replayed': idempotencyReplayed } } : {}),
        ...content,
      },
      default: {
        description: 'A problem (RFC 9457)',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
    ...(route.access === 'public' ? { security: [] } : {}),
  };
}

function parameters(place: 'path' | 'query', schema: z.ZodObject | undefined): Record<string, unknown>[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function tagOf(path: string): string {
  return /\{org\}\/([a-z-]+)/.exec(path)?.[1] ?? (path.startsWith('/api/') ? 'instance' : 'server');
}
