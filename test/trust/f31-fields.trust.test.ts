import { problemSchema } from '../../src/contracts/index.js';
import { Bench } from '../support/bench.js';
import { everyRequest, type ValidRequest } from '../support/every-request.js';
import { contents } from '../support/tables.js';
import { figure, type Findings } from './figure.js';

// Seen to fail: with z.object in place of z.strictObject in one contract, each field of that route is a breach.
const ID = '01a213ea-8667-732d-8e2e-7bab1182aaec';
const LONG_AGO = '2020-01-01T00:00:00.000Z';

/** What people try to slip in: whose something is, where it belongs, what it may, what it costs, how it stands; as the API and as the tables call it. */
const FIELDS: Readonly<Record<string, unknown>> = {
  id: ID,
  role: 'owner',
  tenant: 'other',
  organizationId: ID,
  organization_id: ID,
  org: 'other',
  owner: { id: ID },
  ownerId: ID,
  owner_id: ID,
  userId: ID,
  user_id: ID,
  invitedBy: ID,
  workspaceId: ID,
  runnerId: ID,
  instanceAdministrator: true,
  instance_administrator: true,
  isAdmin: true,
  cost: 0,
  maxRunning: 1_000_000,
  max_running: 1_000_000,
  limits: { workspaces: 1e9 },
  state: 'running',
  desiredState: 'deleted',
  status: 'active',
  generation: 99,
  credential: { id: ID },
  hostId: ID,
  hash: 'x',
  passwordHash: 'x',
  prefix: 'berth_x',
  sealed: 'x',
  verified: true,
  createdAt: LONG_AGO,
  created_at: LONG_AGO,
  lastUsedAt: LONG_AGO,
  acceptedAt: LONG_AGO,
  'organization.role': 'owner',
  constructor: { prototype: { role: 'owner' } },
};

/** As JSON text: an own field of this name can be had in no other way. */
const PROTOTYPE = '__proto__';
const IN_ITS_PLACE = 'in its place';

/** A page that nobody may ask for. Events come in larger ones. */
const PAGES = [1001, 1e6, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, 1e21, 1e308];

describe('what callers may choose', () => {
  let bench: Bench;
  let valid: ValidRequest[];
  beforeAll(async () => {
    bench = await Bench.start();
    valid = await everyRequest(bench);
    // Each caller has been seen once, which is written down.
    for (const { headers } of valid) await fetch(`${bench.app.url}/api/v1/me`, { headers });
  });
  afterAll(() => bench.close());

  figure(
    {
      id: 'F31 fields',
      scenario: `every route with a body, from the contracts, as whoever may call it: a valid request with each of ${Object.keys(FIELDS).length + 1} fields that are not its own, at the top and inside; singly, and (in full) by twos`,
      line: '0 fields taken: each is refused with 422 and its path, and nothing is written',
      rounds: { small: 1, full: 10 },
      countedAt: 'the answers, and the contents of all tables',
      time: 'injected',
    },
    async (findings) => {
      findings.tried = 0;
      const before = await contents(bench.app.database.ownerUrl);
      for (let round = 0; round < findings.rounds; round++)
        for (const request of valid)
          if (request.body) findings.tried += await slipIn(bench, request, round, findings);
      const after = await contents(bench.app.database.ownerUrl);
      for (const [table, { digest }] of Object.entries(after))
        if (!table.startsWith('audit_'))
          findings.expect(digest === before[table]?.digest, `the table ${table} has changed`);
      findings.expect(
        after.audit_entry?.count === before.audit_entry?.count,
        'something was done, says the audit log',
      );
      findings.number('routes with a body', valid.filter(({ body }) => body !== undefined).length);
    },
  );

  figure(
    {
      id: 'F31 pages',
      scenario: `every list of the contracts, asked for pages of ${PAGES[0]} to 1e308`,
      line: 'each is refused with 422 and its path, and says how the caller stands with the limit of requests; so does every other answer to an error',
      rounds: { small: 1, full: 20 },
      countedAt: 'the answers',
      time: 'injected',
    },
    async (findings) => {
      findings.tried = 0;
      const lists = valid.filter(({ contract: { query } }) => query !== undefined && 'limit' in query.shape);
      for (let round = 0; round < findings.rounds; round++)
        for (const list of lists)
          for (const limit of PAGES) {
            findings.tried += 1;
            const answer = await fetch(`${bench.app.url}${list.path}?limit=${limit}`, {
              headers: { ...list.headers, accept: 'application/json' },
            });
            await expectRefused(answer, 'query.limit', list, findings);
          }
      findings.number('lists', lists.length);
      for (const request of valid.filter(isCounted))
        for (const answer of await errorsOf(bench, request)) {
          findings.tried += 1;
          findings.expect(
            answer.status >= 400 && answer.status < 500 && tells(answer),
            `${request.name}: ${answer.status} does not say how the caller stands`,
          );
        }
    },
  );
});

/** Sends the request with each field; answers how many were sent. */
async function slipIn(
  bench: Bench,
  request: ValidRequest,
  round: number,
  findings: Findings,
): Promise<number> {
  const names = Object.keys(FIELDS);
  const marked = JSON.stringify({ ...request.body, [IN_ITS_PLACE]: { role: 'owner' } });
  const prototype = marked.replace(IN_ITS_PLACE, PROTOTYPE);
  const sent = names.flatMap((name, at) => {
    // In the first round singly, then each with another one.
    const other = round === 0 ? name : (names[(at + round) % names.length] ?? name);
    return withFields(request.body ?? {}, [name, other]);
  });
  const all = [
    ...sent.map(({ body, path }) => ({ text: JSON.stringify(body), path })),
    { text: prototype, path: `body.${PROTOTYPE}` },
  ];
  await Promise.all(
    all.map(async ({ text, path }) =>
      expectRefused(await send(bench, request, text), path, request, findings),
    ),
  );
  return all.length;
}

function send(bench: Bench, { contract, path, headers }: ValidRequest, body: string): Promise<Response> {
  const method = contract.method;
  const all = { ...headers, accept: 'application/json', 'content-type': 'application/json' };
  return fetch(`${bench.app.url}${path}`, { method, headers: all, body });
}

/** The body with these fields added to it, and to each object inside of it, where they are not its own; and where the first of them then stands. */
function withFields(body: object, names: readonly string[]): { body: object; path: string }[] {
  const added = (to: object): object | null => {
    const [name = ''] = names;
    if (Object.hasOwn(to, name)) return null;
    return { ...Object.fromEntries(names.map((each) => [each, FIELDS[each]])), ...to };
  };
  const top = added(body);
  const inside = Object.entries(body).flatMap(([key, value]: [string, unknown]) => {
    const list = Array.isArray(value) ? (value as unknown[]) : null;
    const inner = list ? list[0] : value;
    const changed = typeof inner === 'object' && inner !== null ? added(inner) : null;
    if (!changed) return [];
    const path = `body.${key}.${list ? '0.' : ''}${names[0] ?? ''}`;
    return [{ body: { ...body, [key]: list ? [changed, ...list.slice(1)] : changed }, path }];
  });
  return [...(top ? [{ body: top, path: `body.${names[0] ?? ''}` }] : []), ...inside];
}

async function expectRefused(
  answer: Response,
  path: string,
  request: ValidRequest,
  findings: Findings,
): Promise<void> {
  const text = await answer.text();
  const { success, data } = problemSchema.safeParse(JSON.parse(text));
  const isNamed = success && data.errors?.some((error) => error.path === path);
  const isRefused = answer.status === 422 && success && data.code === 'validation-failed' && isNamed;
  findings.expect(isRefused === true, `${request.name} with ${path}: ${answer.status} ${text}`);
  findings.expect(
    !isCounted(request) || tells(answer),
    `${request.name} with ${path}: does not say how the caller stands`,
  );
}

/** Requests of people count towards a limit; those of machines and of who is nobody yet do not. */
function isCounted({ contract: { access } }: ValidRequest): boolean {
  return access !== 'public' && access !== 'runner' && access !== 'proxy';
}

const tells = ({ headers }: Response): boolean =>
  ['limit', 'remaining', 'reset'].every((name) => /^\d+$/.test(headers.get(`ratelimit-${name}`) ?? ''));

/** What is refused at the edge, by the router, and by the guard. */
async function errorsOf(bench: Bench, request: ValidRequest): Promise<Response[]> {
  const { contract, path } = request;
  const nowhere = contract.path.includes('{org}') ? path.replace('acme', 'no-such-organization') : null;
  const bodies = contract.method === 'GET' ? [] : ['{', '['.repeat(100), ' '.repeat(600 * 1024)];
  return Promise.all([
    ...bodies.map((body) => send(bench, request, body)),
    ...(nowhere && contract.method !== 'GET' ? [send(bench, { ...request, path: nowhere }, '{}')] : []),
  ]);
}
