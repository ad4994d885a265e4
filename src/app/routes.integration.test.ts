import { ModulesContainer, Reflector } from '@nestjs/core';
import { startTestApp, type TestApp } from '../../test/support/app.js';
import * as contracts from '../contracts/index.js';
import type { RouteContract } from '../contracts/index.js';
import { ROUTE } from '../http/index.js';
import { RouteGuard } from './auth/route.guard.js';

/** What may be called by anybody. A route comes onto this list only when somebody thought about it. */
const OPEN_TO_EVERYBODY = [
  'GET /',
  'GET /.well-known/jwks.json',
  'GET /.well-known/openid-configuration',
  'GET /connect/sign-in.js',
  'GET /connect/{system}/{token}',
  'GET /docs',
  'GET /docs/start.js',
  'GET /healthz',
  'GET /invitations/accept',
  'GET /metrics',
  'GET /oauth/github/app',
  'GET /oauth/github/callback',
  'GET /oauth/linear/callback',
  'GET /openapi.json',
  'GET /readyz',
  'GET /setup',
  'POST /api/v1/invitations/accept',
  'POST /api/v1/session',
  'POST /api/v1/setup',
  'POST /webhooks/github',
  'POST /webhooks/linear',
];

interface Handler {
  name: string;
  contract: RouteContract | undefined;
  path: string;
}

/** Every method that Nest serves as a route, found as Nest finds them: by its own metadata. */
function handlersOf(berth: TestApp): Handler[] {
  const controllers = [...berth.app.get(ModulesContainer).values()].flatMap((module) => [
    ...module.controllers.values(),
  ]);
  return controllers.flatMap(({ instance, name }) => {
    const prototype = Object.getPrototypeOf(instance) as object;
    return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([method, { value }]) => {
      const handler = value as object;
      const path = Reflect.getMetadata('path', handler) as string | undefined;
      // A class has a path too, the controller's.
      if (method === 'constructor' || path === undefined) return [];
      return [
        {
          name: `${String(name)}.${method}`,
          path,
          contract: Reflect.getMetadata(ROUTE, handler) as RouteContract | undefined,
        },
      ];
    });
  });
}

/** Routes as Express has them in the end, whoever put them there. */
function expressRoutes(berth: TestApp): string[] {
  interface Layer {
    route?: { path: string; methods: Record<string, boolean> };
  }
  const { router } = berth.app.getHttpAdapter().getInstance() as { router: { stack: Layer[] } };
  return router.stack.flatMap(({ route }) =>
    route ? Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`) : [],
  );
}

const named = ({ method, path }: RouteContract): string => `${method} ${path}`;
const allContracts = Object.entries(contracts as Record<string, unknown>)
  .filter(([name]) => name.endsWith('Route'))
  .map(([, contract]) => contract as RouteContract);

describe('every route', () => {
  let berth: TestApp;
  beforeAll(async () => {
    berth = await startTestApp();
  });
  afterAll(() => berth.close());

  it('states who may call it', () => {
    const handlers = handlersOf(berth);
    expect(handlers.length).toBeGreaterThan(25);
    expect(handlers.filter(({ contract }) => contract === undefined).map(({ name }) => name)).toEqual([]);
  });

  it('is closed to strangers, but for a list', () => {
    const open = handlersOf(berth).flatMap(({ contract }) =>
      contract?.access === 'public' ? [named(contract)] : [],
    );
    expect(open.sort()).toEqual(OPEN_TO_EVERYBODY);
  });

  it('is in the contracts, and every contract is served, once', () => {
    const served = handlersOf(berth).map(({ contract }) => contract && named(contract));
    expect(served.sort()).toEqual(allContracts.map(named).sort());
  });

  it('goes through Nest, where the guard stands', () => {
    const ofNest = handlersOf(berth).map(
      ({ contract }) => contract && `${contract.method} ${contract.path.replace(/\{(\w+)\}/g, ':$1')}`,
    );
    expect(expressRoutes(berth).sort()).toEqual(ofNest.sort());
  });

  it('knows its own callers when another Berth starts beside it in the process', async () => {
    const { owner } = await berth.founded('first-of-two');
    const other = await startTestApp();
    try {
      expect((await owner.api.call('GET', '/api/v1/me')).status).toBe(200);
      expect((await other.api(owner.apiKey).call('GET', '/api/v1/me')).status).toBe(401);
    } finally {
      await other.close();
    }
  });

  it('refuses who does not say who they are', async () => {
    const stranger = berth.api(null);
    for (const contract of allContracts.filter(({ access }) => access !== 'public')) {
      const { status } = await stranger.call(contract.method, contract.path.replace(/\{\w+\}/g, 'x'));
      expect(`${named(contract)} ${status}`).toBe(`${named(contract)} 401`);
    }
  });
});

describe('a handler without a contract', () => {
  it('is refused, whoever calls', async () => {
    const guard = new RouteGuard(new Reflector(), {} as never, {} as never, {} as never, {} as never);
    const context = { getHandler: () => () => 'open', getClass: () => Object } as never;
    await expect(guard.canActivate(context)).rejects.toMatchObject({ code: 'forbidden' });
  });
});
