import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { LinearLogins } from '../../credentials/providers/linear.js';
import { Secret, systemClock } from '../../kernel/index.js';
import { LinearClients } from './client.js';
import { LinearTrouble, type LinearTroubleKind } from './trouble.js';

const NOW = new Date('2026-01-01T12:00:00.000Z');
const inSeconds = (seconds: number): string => String(NOW.getTime() + seconds * 1000);
const TOKEN = `lin_oauth_${'a1'.repeat(32)}`;

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body: object | string;
}

let server: Server;
let answer: Answer;
let url: string;
let clients: LinearClients;
beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume();
    const { status, headers, body } = answer;
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  clients = new LinearClients(url, () => NOW);
});
afterAll(() => server.close());

const ask = (): Promise<unknown> => clients.ask(new Secret(TOKEN), 'query q { viewer { id } }', {});
const errorOf = (extensions: object, message = 'No.'): object => ({ errors: [{ message, extensions }] });
/** As the page of Linear's limits has them: what is left, and when there is more (linear.md 5). */
const limit = (name: string, remaining: number, seconds: number): Record<string, string> => ({
  [`x-ratelimit-${name}-limit`]: '100',
  [`x-ratelimit-${name}-remaining`]: String(remaining),
  [`x-ratelimit-${name}-reset`]: inSeconds(seconds),
});

it('says what is left of the hour', async () => {
  answer = {
    status: 200,
    headers: { ...limit('requests', 7, 600), ...limit('complexity', 90, 900), 'x-complexity': '10' },
    body: { data: { viewer: { id: 'berth' } } },
  };
  expect(await ask()).toEqual({
    data: { viewer: { id: 'berth' } },
    quota: { remaining: 7, resetAt: NOW.getTime() + 600_000 },
  });
});

const RATELIMITED = errorOf({ code: 'RATELIMITED' });
it.each<[string, Answer, LinearTroubleKind, number]>([
  [
    'too many requests',
    { status: 400, headers: limit('requests', 0, 120), body: RATELIMITED },
    'limited',
    120,
  ],
  [
    'too much complexity, while there are requests left',
    {
      status: 400,
      headers: { ...limit('requests', 7, 30), ...limit('complexity', 0, 900) },
      body: RATELIMITED,
    },
    'limited',
    900,
  ],
  [
    'an endpoint of its own limit',
    {
      status: 400,
      headers: { ...limit('requests', 7, 30), ...limit('endpoint', 0, 45) },
      body: RATELIMITED,
    },
    'limited',
    45,
  ],
  ['a limit by its type alone', { status: 400, body: errorOf({ type: 'ratelimited' }) }, 'limited', 60],
  [
    'a limit by its status alone',
    { status: 429, headers: { 'content-type': 'text/plain' }, body: 'slow down' },
    'limited',
    60,
  ],
  [
    'a limit that ends in a year',
    { status: 400, headers: limit('requests', 0, 365 * 86_400), body: RATELIMITED },
    'limited',
    3600,
  ],
  ['a query that is too complex', { status: 400, body: errorOf({ code: 'INPUT_ERROR' }) }, 'refused', 0],
  [
    'a token that is over',
    { status: 401, body: errorOf({ type: 'authentication error', code: 'AUTHENTICATION_ERROR' }) },
    'unauthenticated',
    5,
  ],
  // Of the SDK's class of what is not allowed: no reason to take the token for dead.
  ['what is forbidden', { status: 403, body: errorOf({ type: 'forbidden' }) }, 'refused', 0],
  [
    'an error with status 200',
    { status: 200, body: { data: null, ...errorOf({ type: 'other' }) } },
    'refused',
    0,
  ],
  ['a page in between', { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>' }, 'away', 5],
  ['an answer that ends in the middle', { status: 200, body: '{"data": {' }, 'away', 5],
])('%s', async (_, given, kind, retryAfterSeconds) => {
  answer = given;
  const error = await ask().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(LinearTrouble);
  expect(error).toMatchObject({ kind, retryAfterSeconds });
});

describe('the answers among the fixtures', () => {
  const folder = path.join(process.cwd(), 'test', 'fixtures', 'linear');
  const read: [name: string, status: number, expected: object][] = [
    ['graphql.agent-activity-create.constructed', 200, { data: { agentActivityCreate: { success: true } } }],
    ['graphql.error.authentication.constructed', 401, { kind: 'unauthenticated' }],
    ['graphql.error.ratelimited.constructed', 400, { kind: 'limited' }],
    ['graphql.user.constructed', 200, { data: { user: { active: true, app: false } } }],
    ['graphql.users-by-email.constructed', 200, { data: { users: { nodes: [{ name: 'Ann Example' }] } } }],
    ['oauth.token.authorization-code.constructed', 200, { outcome: 'granted' }],
  ];

  it('are all expected', () => {
    const names = readdirSync(folder).flatMap((file) => /^(?:graphql|oauth)\..*(?=\.json$)/.exec(file) ?? []);
    expect(read.map(([name]) => name)).toEqual(names.sort());
  });

  it.each(read)('%s', async (name, status, expected) => {
    answer = { status, body: readFileSync(path.join(folder, `${name}.json`), 'utf8') };
    const secret = new Secret('secret');
    const app = { clientId: 'id', clientSecret: secret, webhookSecret: secret };
    const found = name.startsWith('oauth')
      ? new LinearLogins({ apiUrl: url, authUrl: url, app }, systemClock).exchange('code', 'verifier', url)
      : ask().catch((caught: unknown) => caught);
    expect(await found).toMatchObject(expected);
  });
});

it('repeats of what Linear says one line, and never the token', async () => {
  answer = { status: 400, body: errorOf({ type: 'other' }, `a\u0000b ${TOKEN}\n${'x'.repeat(500)}`) };
  const { message } = (await ask().catch((caught: unknown) => caught)) as Error;
  expect(message).not.toContain('a1a1a1a1');
  expect(message).not.toMatch(/[\n\u0000]/);
  expect(message.length).toBeLessThan(300);
});
