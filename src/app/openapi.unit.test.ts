import * as contracts from '../contracts/rest/index.js';
import * as machines from '../contracts/machine-routes.js';
import type { RouteContract } from '../contracts/index.js';
import { openApiDocument, publicRoutes } from './openapi.js';

interface Operation {
  summary: string;
  tags: string[];
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  requestBody?: { required: boolean; content: Record<string, { schema: Record<string, unknown> }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
  security?: unknown[];
}
const document = openApiDocument('http://127.0.0.1:3000') as {
  openapi: string;
  info: { title: string; version: string };
  servers: { url: string }[];
  security: Record<string, string[]>[];
  components: { securitySchemes: Record<string, object>; schemas: Record<string, object> };
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    path,
    method,
    operation,
    name: `${method.toUpperCase()} ${path}`,
  })),
);

/** What a contracts module exports that is a route. */
const routesOf = (module: object): [string, RouteContract][] =>
  Object.entries(module as Record<string, unknown>).filter((entry): entry is [string, RouteContract] =>
    entry[0].endsWith('Route'),
  );

/** Every `$ref` below a value, with where it stands. */
function refs(value: unknown, at = '#'): { at: string; ref: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === '$ref' && typeof child === 'string' ? [{ at, ref: child }] : refs(child, `${at}/${key}`),
  );
}

function resolveRef(ref: string): unknown {
  return ref
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>(
      (value, key) =>
        (value as Record<string, unknown> | undefined)?.[key.replace(/~1/g, '/').replace(/~0/g, '~')],
      document,
    );
}

describe('the OpenAPI document', () => {
  it('is of version 3.1 and names itself', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: 'Berth', version: '1' });
    expect(document.servers).toEqual([{ url: 'http://127.0.0.1:3000' }]);
    // What cannot be written as JSON (undefined, functions, circles) is nowhere in it.
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it.each(routesOf(contracts))('has %s', (_, { method, path, answer }) => {
    const operation = document.paths[path]?.[method.toLowerCase()];
    expect(operation?.responses[answer.status]).toBeDefined();
    expect(operation?.responses.default?.content).toHaveProperty(['application/problem+json']);
  });

  it('has nothing else, above all no route of machines', () => {
    expect(operations).toHaveLength(routesOf(contracts).length);
    expect(publicRoutes).toHaveLength(operations.length);
    for (const [, { path }] of routesOf(machines)) expect(document.paths).not.toHaveProperty([path]);
  });

  it.each(operations)('$name declares its parameters, and no other', ({ method, path, operation }) => {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = operation.parameters.filter((parameter) => parameter.in === 'path');
    expect(declared.map(({ name }) => name).sort()).toEqual(inPath.sort());
    expect(declared.every(({ required }) => required)).toBe(true);
    const headers = operation.parameters.filter((parameter) => parameter.in === 'header');
    // What other systems tell is once by its own ids.
    const takesKey = method !== 'get' && !path.startsWith('/webhooks/');
    expect(headers.map(({ name }) => name)).toEqual(takesKey ? ['Idempotency-Key'] : []);
    for (const parameter of operation.parameters) {
      expect(['path', 'query', 'header']).toContain(parameter.in);
      expect(typeof parameter.schema).toBe('object');
    }
    const names = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(operations)(
    '$name says what it does, and has a body only where one is sent',
    ({ method, operation }) => {
      expect(operation.summary).not.toBe('');
      expect(operation.tags).toHaveLength(1);
      if (method === 'get' || method === 'delete') expect(operation.requestBody).toBeUndefined();
      if (operation.requestBody)
        expect(operation.requestBody.content['application/json']?.schema).toHaveProperty('type', 'object');
      for (const response of Object.values(operation.responses)) expect(response.description).not.toBe('');
    },
  );

  it('asks for a key or a session wherever it does not say that a route is open', () => {
    expect(document.security.flatMap((scheme) => Object.keys(scheme)).sort()).toEqual(
      Object.keys(document.components.securitySchemes).sort(),
    );
    const open = operations.filter(({ operation }) => operation.security).map(({ name }) => name);
    const expected = routesOf(contracts)
      .filter(([, { access }]) => access === 'public')
      .map(([, { method, path }]) => `${method} ${path}`);
    expect(open.sort()).toEqual(expected.sort());
  });

  it('has no reference that leads nowhere', () => {
    const all = refs(document);
    expect(all.length).toBeGreaterThan(operations.length - 1);
    expect(all.filter(({ ref }) => !ref.startsWith('#/') || resolveRef(ref) === undefined)).toEqual([]);
  });

  it('shows what may be left out: a field with a default is not required of the caller', () => {
    const create =
      document.paths['/api/v1/organizations/{org}/workspaces']?.post?.requestBody?.content['application/json']
        ?.schema;
    expect(create).toMatchObject({ required: ['repository'], additionalProperties: false });
  });
});

describe('route contracts', () => {
  const all = [...routesOf(contracts), ...routesOf(machines)];

  it('are each of one method and path', () => {
    const names = all.map(([, { method, path }]) => `${method} ${path.replace(/\{\w+\}/g, '{}')}`);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it.each(all)('%s fits together', (_, { method, path, access, params, body, answer }) => {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(Object.keys(params?.shape ?? {}).sort()).toEqual(inPath.sort());
    if (method === 'GET' || method === 'DELETE') expect(body).toBeUndefined();
    expect(answer.status === 204).toBe(answer.body === null);
    // A role is of an organization: only such routes can ask for one, and all of them do, but for what whoever runs Berth does to any.
    if (access !== 'instance-administrator')
      expect(path.includes('{org}')).toBe(access === 'member' || access === 'admin');
    expect(path.startsWith('/internal/')).toBe(access === 'runner' || access === 'proxy');
  });
});
