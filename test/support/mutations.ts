import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { takesKey } from '../../src/app/idempotency/key.js';
import * as contracts from '../../src/contracts/rest/index.js';
import type { RouteContract } from '../../src/contracts/index.js';
import { GithubApp } from '../../src/credentials/index.js';
import { hashPassword } from '../../src/identity/password.js';
import { Secret } from '../../src/kernel/index.js';
import { JobWorker, PATIENT_QUEUE } from '../../src/queue/index.js';
import { startTestApp, type TestApp, type TestAppOptions, type TestOrganization } from './app.js';
import { tieAccount, tieGithub, tieLinear } from './connections.js';
import { withClient } from './tables.js';
import { furnish, requestTo, routes } from './tenant-routes.js';

/** A request that is valid as it stands, once: what it makes is not there yet, and what it changes is. */
export interface Prepared {
  method: string;
  path: string;
  /** Whoever may do it. */
  headers: Record<string, string>;
  body: object | undefined;
}

export interface Mutation {
  name: string;
  contract: RouteContract;
  /** Makes what the request needs, new each time. */
  prepare(berth: TestApp): Promise<Prepared>;
  /** It needs a database of its own: it can succeed only once there, or has a worker do something. */
  onceOnly: boolean;
}

const PASSWORD = 'correct horse battery staple';
let made = 0;
const newSlug = (): string => `org-${++made}-${Date.now().toString(36)}`;
const bearer = (apiKey: string): Record<string, string> => ({ authorization: `Bearer ${apiKey}` });

/** Berth has an app at Linear from here on. */
export function knowLinear(berth: TestApp): void {
  const secret = new Secret('of-the-app-at-linear');
  berth.parts.loginEndpoints.linear.app = { clientId: 'x', clientSecret: secret, webhookSecret: secret };
}

/** Berth has an App of its own making at GitHub from here on. */
export async function makeGithubApp(berth: TestApp): Promise<void> {
  berth.parts.loginEndpoints.github.app = null;
  const app = berth.app.get(GithubApp, { strict: false });
  if (await app.facts()) return;
  const secrets = { clientSecret: 'of-the-client', webhookSecret: 'of-the-hook', privateKey: 'of-the-app' };
  const by = { type: 'system', id: null, name: 'a test', apiKeyId: null } as const;
  await app.store({ appId: '7', slug: 'berth', clientId: 'x', ...secrets }, by);
}

/** Makes an owner an administrator of the instance. */
async function letAdminister(berth: TestApp, { owner }: Pick<TestOrganization, 'owner'>): Promise<void> {
  await withClient(berth.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [owner.userId]),
  );
}

/** Answers every exchange of a code with tokens, for as long as this process lives. */
let tokenEndpoint: Promise<string> | null = null;
function startTokenEndpoint(): Promise<string> {
  return (tokenEndpoint ??= new Promise((resolve) => {
    const tokens = {
      access_token: 'sk-ant-oat01-of-any-exchange-0123456789',
      refresh_token: 'sk-ant-ort01-of-any-exchange-0123456789',
      expires_in: 28_800,
    };
    const server = createServer((_, response) => response.end(JSON.stringify(tokens)));
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/token`),
    );
    server.unref();
  }));
}

let installations = 7_000;

/** What holds only in a moment that is made for it, and the body then. */
export const bodiesInTime: Record<
  string,
  (berth: TestApp, organization: TestOrganization) => Promise<object | undefined>
> = {
  rotateCredentialRoute: async (berth, { owner }) => {
    berth.parts.loginEndpoints.claude.tokenUrl = await startTokenEndpoint();
    const tokens = {
      accessToken: 'sk-ant-oat01-of-a-login-0123456789',
      refreshToken: 'sk-ant-ort01-of-a-login-0123456789',
    };
    const expiresAt = new Date(berth.world.clock.now().getTime() + 8 * 3600 * 1000).toISOString();
    await owner.api.call(
      'PUT',
      owner.api.path('/credentials/user/claude_oauth'),
      { ...tokens, expiresAt },
      200,
    );
    // It waits for the worker that calls the provider.
    berth.app.get(JobWorker).start(PATIENT_QUEUE);
    return undefined;
  },
  connectGithubRoute: (berth) => {
    const secret = new Secret('of-the-app-at-github');
    const keys = { clientSecret: secret, webhookSecret: secret, privateKey: secret };
    berth.parts.loginEndpoints.github.app = { appId: '7', slug: 'berth', clientId: 'x', ...keys };
    return Promise.resolve(undefined);
  },
  disconnectGithubRoute: async (berth, { id }) => {
    installations += 1;
    await tieGithub(berth.database.ownerUrl, id, String(installations));
    return undefined;
  },
  connectLinearRoute: (berth) => {
    knowLinear(berth);
    return Promise.resolve(undefined);
  },
  disconnectLinearRoute: async (berth, { id }) => {
    await tieLinear(berth.database.ownerUrl, id, newSlug());
    return undefined;
  },
  completeAuthorizationRoute: async (berth, { owner }) => {
    berth.parts.loginEndpoints.claude.tokenUrl = await startTokenEndpoint();
    const path = owner.api.path('/credentials/user/claude_oauth/authorization');
    const { body } = await owner.api.post<{ state: string }>(path, undefined, 201);
    return { code: `a-code#${body.state}` };
  },
};

/** Requests to the routes outside of any organization. A new route without one fails below, so that none is left out. */
const instance: Record<
  string,
  (berth: TestApp) => Promise<Omit<Prepared, 'method' | 'path'> & { path?: string }>
> = {
  connectExternalAccountRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    knowLinear(berth);
    return {
      path: '/api/v1/me/external-accounts/linear/connect',
      headers: bearer(owner.apiKey),
      body: undefined,
    };
  },
  deleteExternalAccountsRoute: async (berth) => {
    const { id, owner } = await berth.founded(newSlug());
    await tieAccount(berth.database.ownerUrl, { organizationId: id, userId: owner.userId });
    return { headers: bearer(owner.apiKey), body: undefined };
  },
  setupRoute: (berth) =>
    Promise.resolve({
      headers: {},
      body: {
        token: berth.setupToken,
        organization: { name: 'First', slug: newSlug() },
        user: { name: 'Ada', email: 'ada@first.example', password: PASSWORD },
      },
    }),
  signInRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    const hash = await hashPassword(PASSWORD);
    await withClient(berth.database.ownerUrl, (client) =>
      client.query('UPDATE "user" SET password_hash = $1 WHERE id = $2', [hash, owner.userId]),
    );
    return { headers: {}, body: { email: owner.email, password: PASSWORD } };
  },
  signOutRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    return { headers: bearer(owner.apiKey), body: undefined };
  },
  acceptInvitationRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    const email = `${newSlug()}@invited.example`;
    const made = await owner.api.post<{ url: string }>(
      owner.api.path('/invitations'),
      { email, role: 'member' },
      201,
    );
    const token = new URL(made.body.url).searchParams.get('token');
    return { headers: {}, body: { token, name: 'Invited', password: PASSWORD } };
  },
  rotateKeysRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    await letAdminister(berth, { owner });
    // Without a worker a rotation never ends, and one that runs already is not begun again: end it as a worker would.
    await withClient(berth.database.ownerUrl, (client) =>
      client.query("UPDATE key_rotation SET state = 'finished', finished_at = started_at"),
    );
    return { headers: bearer(owner.apiKey), body: undefined };
  },
  rotateIssuerKeyRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    await letAdminister(berth, { owner });
    // One that waits is not followed by another: let its time come.
    await withClient(berth.database.ownerUrl, (client) =>
      client.query('UPDATE issuer_key SET signs_from = created_at'),
    );
    return { headers: bearer(owner.apiKey), body: { publishAheadSeconds: 900 } };
  },
  replaceGithubAppSecretsRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    await letAdminister(berth, { owner });
    await makeGithubApp(berth);
    return { headers: bearer(owner.apiKey), body: { webhookSecret: `of-the-hook-${newSlug()}` } };
  },
  createOrganizationRoute: async (berth) => {
    const { owner } = await berth.founded(newSlug());
    await letAdminister(berth, { owner });
    return { headers: bearer(owner.apiKey), body: { name: 'Further', slug: newSlug() } };
  },
};

/** Every route that changes something, from the contracts. */
export const mutations: Mutation[] = [
  ...routes
    .filter(({ contract }) => contract.method !== 'GET')
    .map((route) => ({
      name: route.name,
      contract: route.contract,
      onceOnly: route.name === 'rotateCredentialRoute',
      prepare: async (berth: TestApp): Promise<Prepared> => {
        const organization = await berth.founded(newSlug());
        if (route.contract.access === 'instance-administrator') await letAdminister(berth, organization);
        const things = await furnish(berth, organization);
        const request = requestTo(route, organization.slug, things);
        const inTime = await bodiesInTime[route.name]?.(berth, organization);
        return {
          ...request,
          body: inTime ?? request.body,
          headers: bearer(organization.owner.apiKey),
        };
      },
    })),
  ...Object.entries(contracts as Record<string, unknown>)
    .filter(([name]) => name.endsWith('Route'))
    .map(([name, contract]) => ({ name, contract: contract as RouteContract }))
    // What other systems tell is once by its own ids.
    .filter(({ contract }) => takesKey(contract) && !contract.path.includes('{org}'))
    .map(({ name, contract }) => ({
      name,
      contract,
      onceOnly: name === 'setupRoute',
      prepare: async (berth: TestApp): Promise<Prepared> => {
        const make = instance[name];
        if (!make) throw new Error(`Teach this test a valid request to ${name}.`);
        return { method: contract.method, path: contract.path, ...(await make(berth)) };
      },
    })),
];

/** An answer to the byte. */
export interface Exact {
  status: number;
  text: string;
  headers: Headers;
}

/** Sends a prepared request with a key, or without one. */
export async function sendWith(
  url: string,
  { method, path, headers, body }: Prepared,
  key: string | null,
): Promise<Exact> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...headers,
      ...(key === null ? {} : { 'idempotency-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** What of an answer a retry gets again: all but what is of the one exchange. */
export function lasting({ status, text, headers }: Exact): unknown {
  const own = ['x-request-id', 'date', 'idempotency-replayed'];
  const all = [...headers].filter(([name]) => !own.includes(name) && !name.startsWith('ratelimit'));
  return { status, text, headers: all };
}

/** Runs `work` on the app, or on a fresh one for what works only once per database. */
export async function onBerth<T>(
  { onceOnly }: Mutation,
  shared: TestApp,
  options: TestAppOptions,
  work: (berth: TestApp) => Promise<T>,
): Promise<T> {
  if (!onceOnly) return work(shared);
  const fresh = await startTestApp(options);
  try {
    return await work(fresh);
  } finally {
    await fresh.close();
  }
}
