import { randomUUID } from 'node:crypto';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../../test/emulators/anthropic.js';
import type { Api } from '../../../test/support/api.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { Canary, searchCanaries } from '../../../test/support/canary.js';
import {
  beginConnect,
  completeConnect,
  connectPath,
  connectStatus,
  ownCredential,
  type Paste,
} from '../../../test/support/connecting.js';
import { eventually } from '../../../test/support/eventually.js';
import { sendWith } from '../../../test/support/mutations.js';
import { expectProblem } from '../../../test/support/problem.js';
import { withClient } from '../../../test/support/tables.js';
import { createLog } from '../../app/log.js';
import type { Scope } from '../../contracts/index.js';
import { CredentialPolicy, LoginPolling } from '../index.js';
import { messages } from './attempt.js';

const DAY_MS = 24 * 3600 * 1000;

let anthropic: AnthropicEmulator;
let berth: TestApp;
let acme: TestOrganization;
let logged = '';
const answers: string[] = [];

beforeAll(async () => {
  anthropic = await startAnthropicEmulator();
  berth = await startTestApp({
    worker: true,
    log: createLog('debug', { write: (line: string) => void (logged += line) }),
    parts: { loginEndpoints: loginEndpoints({ claude: anthropic.url }) },
  });
  acme = await berth.founded('acme');
});
afterEach(() => anthropic.reset());
afterAll(async () => {
  await berth.close();
  await anthropic.close();
});

async function complete(api: Api, code: string, scope: Scope = 'user') {
  const answer = await completeConnect(api, code, scope);
  answers.push(JSON.stringify(answer.body));
  return answer;
}

/** Who opens the link and agrees; what the page shows then. */
const agree = ({ authorizationUrl }: Paste): string => anthropic.logins.codeFor(authorizationUrl);
const newMember = (role: 'member' | 'admin' = 'member'): Promise<TestMember> => berth.member(acme, role);

const sql = (text: string): Promise<{ rows: unknown[] }> =>
  withClient(berth.database.ownerUrl, (client) => client.query(text));

describe('connecting Claude', () => {
  it('shows a link with a notice, and makes the pasted code a login', async () => {
    const { api, userId, name } = await newMember();
    const begun = await beginConnect<Paste>(api, 'claude_oauth');
    const { searchParams } = new URL(begun.authorizationUrl);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      client_id: 'client-of-the-test',
      response_type: 'code',
      code_challenge_method: 'S256',
      state: begun.state,
    });
    expect(begun.notice).toContain('Anthropic’s terms');
    expect(await connectStatus(api, 'claude_oauth')).toMatchObject({
      state: 'pending',
      expiresAt: begun.expiresAt,
    });

    const done = await complete(api, ` ${agree(begun).replace('#', '\n#')} \n`);
    expect(done.status).toBe(200);
    const { connectedAt, loginEndsAt, ...view } = done.body;
    expect(view).toMatchObject({
      scope: 'user',
      kind: 'claude_oauth',
      status: 'active',
      generation: 1,
      connectedBy: { id: userId, name },
      account: { email: 'ada@example.com', plan: null },
    });
    expect(new Date(loginEndsAt ?? 0).getTime() - new Date(connectedAt).getTime()).toBe(30 * DAY_MS);
    expect(await connectStatus(api, 'claude_oauth')).toMatchObject({ state: 'connected' });
    expect(anthropic.logins.count('exchanged')).toBe(1);
    const { items } = (
      await acme.owner.api.get<{ items: { action: string; details: object }[] }>(
        acme.owner.api.path(`/audit?actor=${userId}&limit=10`),
      )
    ).body;
    expect(items.map(({ action }) => action).sort()).toEqual([
      'credential.code-brought',
      'credential.connect-begun',
      'credential.set',
    ]);
  });

  it('takes the whole address of the page, and gives an existing login a new lineage', async () => {
    const { api } = await newMember();
    await complete(api, agree(await beginConnect<Paste>(api, 'claude_oauth')));
    const begun = await beginConnect<Paste>(api, 'claude_oauth');
    const page = await fetch(begun.authorizationUrl);
    expect((await complete(api, page.url)).body).toMatchObject({ generation: 2, status: 'active' });
  });

  it.each([
    ['an empty text', '  ', 'is empty'],
    ['half a code', 'abc', 'only a part'],
    ['a token', 'sk-ant-oat01-of-somebody-else', 'is a token or key'],
  ])('refuses %s without asking Claude', async (_name, code, said) => {
    const { api } = await newMember();
    const begun = await beginConnect<Paste>(api, 'claude_oauth');
    const problem = expectProblem(await complete(api, code), 422, 'validation-failed');
    expect(problem.errors).toEqual([{ path: 'body.code', message: expect.stringContaining(said) as string }]);
    expect(anthropic.logins.calls).toEqual([]);
    expect((await complete(api, agree(begun))).status).toBe(200);
  });

  it('refuses a wrong state, and one of another person, scope or organization; the right one still serves', async () => {
    const [ada, bob] = [await newMember('admin'), await newMember('admin')];
    const globex = await berth.founded(`globex-${randomUUID().slice(0, 8)}`);
    const begun = await beginConnect<Paste>(ada.api, 'claude_oauth');
    const ours = await beginConnect<Paste>(ada.api, 'claude_oauth', 'organization');
    const code = agree(begun);
    const refused = async (answer: Promise<{ status: number }>, said: string): Promise<void> => {
      expect(expectProblem((await answer) as never, 409, 'login-refused').detail).toBe(said);
    };
    await refused(complete(ada.api, `${code.split('#')[0] ?? ''}#another-state`), messages.unknown);
    await refused(complete(bob.api, code), messages.another);
    await refused(complete(bob.api, agree(ours), 'organization'), messages.another);
    await refused(complete(ada.api, code, 'organization'), messages.unknown);
    await refused(complete(globex.owner.api, code), messages.unknown);
    expect(anthropic.logins.calls).toEqual([]);
    expect((await complete(ada.api, code)).status).toBe(200);
  });

  it('refuses what is over: replaced by a newer link, too late, used', async () => {
    const { api } = await newMember();
    const first = await beginConnect<Paste>(api, 'claude_oauth');
    const second = await beginConnect<Paste>(api, 'claude_oauth');
    expect(expectProblem(await complete(api, agree(first)), 409).detail).toBe(messages.replaced);
    await sql(`UPDATE login_attempt SET expires_at = now() WHERE state = 'pending'`);
    expect(expectProblem(await complete(api, agree(second)), 409).detail).toBe(messages.expired);
    expect(await connectStatus(api, 'claude_oauth')).toMatchObject({ state: 'expired' });
    const code = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    await complete(api, code);
    expect(expectProblem(await complete(api, code), 409).detail).toBe(messages.connected);
    expect(anthropic.logins.calls).toHaveLength(1);
  });

  it('exchanges a code once when it comes twice at once, with no transaction open meanwhile', async () => {
    const { api } = await newMember();
    const code = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    anthropic.fail({ mode: 'hold-before', match: { grant: 'authorization_code' } });
    const both = [complete(api, code), complete(api, code)];
    await eventually('one is held', () => anthropic.logins.held === 1);
    const { rows } = await withClient(berth.database.ownerUrl, (client) =>
      client.query(
        `SELECT count(*)::int AS open FROM pg_stat_activity
          WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
      ),
    );
    expect(rows).toEqual([{ open: 0 }]);
    anthropic.logins.release();
    expect((await Promise.all(both)).map((answer) => answer.status).sort()).toEqual([200, 409]);
    expect(anthropic.logins.calls).toHaveLength(1);
  });

  it('drops what comes late of a replaced attempt', async () => {
    const { api } = await newMember();
    const code = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    anthropic.fail({ mode: 'hold-after', match: { grant: 'authorization_code' } });
    const late = complete(api, code);
    await eventually('it is held', () => anthropic.logins.held === 1);
    const newer = await beginConnect<Paste>(api, 'claude_oauth');
    anthropic.logins.release();
    expect(expectProblem(await late, 409, 'login-refused').detail).toBe(messages.replaced);
    expect(await ownCredential(api, 'claude_oauth')).toBeUndefined();
    expect((await complete(api, agree(newer))).status).toBe(200);
  });

  it('keeps a code that was surely not exchanged, and gives up one of which nobody knows', async () => {
    const { api } = await newMember();
    const code = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    anthropic.fail({ status: 429, match: { grant: 'authorization_code' } });
    const busy = await complete(api, code);
    expect(expectProblem(busy, 503, 'not-ready').detail).toContain('The code is still good');
    expect(busy.headers.get('retry-after')).not.toBeNull();
    expect((await complete(api, code)).status).toBe(200);

    const next = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    anthropic.fail({ mode: 'lost-answer', match: { grant: 'authorization_code' } });
    const lost = expectProblem(await complete(api, next), 409, 'login-refused');
    expect(lost.detail).toMatch(/answer of Claude was lost.*Begin again/);
    expect(await connectStatus(api, 'claude_oauth')).toMatchObject({
      state: 'refused',
      message: lost.detail,
    });
    expectProblem(await complete(api, next), 409, 'login-refused');
    // What was connected before goes on to serve.
    expect(await ownCredential(api, 'claude_oauth')).toMatchObject({ generation: 1, status: 'active' });
  });

  it('leaves the code good where the process that is asked lacks the key of its link', async () => {
    const { api, userId } = await newMember();
    const code = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    const put = (sealed: string): Promise<unknown> =>
      withClient(berth.database.ownerUrl, (client) =>
        client.query('UPDATE login_attempt SET sealed = $1 WHERE user_id = $2', [sealed, userId]),
      );
    const read = await sql(`SELECT sealed FROM login_attempt WHERE user_id = '${userId}'`);
    const [{ sealed }] = read.rows as [{ sealed: string }];
    const jwe = JSON.parse(sealed) as { protected: string };
    const header = JSON.parse(Buffer.from(jwe.protected, 'base64url').toString()) as object;
    const elsewhere = Buffer.from(JSON.stringify({ ...header, kid: 'of-another' })).toString('base64url');
    await put(JSON.stringify({ ...jwe, protected: elsewhere }));
    expectProblem(await complete(api, code), 503, 'encryption-key-missing');
    expect(anthropic.logins.calls).toEqual([]);
    await put(sealed);
    expect((await complete(api, code)).status).toBe(200);
  });

  it('says that a code is spent whose exchange was interrupted', async () => {
    const { api } = await newMember();
    const code = agree(await beginConnect<Paste>(api, 'claude_oauth'));
    // As it stands after a kill between the claim and the answer.
    await sql(`UPDATE login_attempt SET state = 'exchanging', expires_at = now() WHERE state = 'pending'`);
    expect(await connectStatus(api, 'claude_oauth')).toMatchObject({
      state: 'refused',
      message: messages.interrupted,
    });
    expect(expectProblem(await complete(api, code), 409).detail).toBe(messages.interrupted);
    await berth.app.get(LoginPolling).askForAll();
    const left = `SELECT 1 FROM login_attempt WHERE state = 'exchanging'`;
    await eventually('it is ended', async () => (await sql(left)).rows.length === 0);
  });

  it('answers a request that is sent again with its key as the first time', async () => {
    const member = await newMember();
    const request = (path: string, body?: object) => ({
      method: 'POST',
      path,
      headers: { authorization: `Bearer ${member.apiKey}` },
      body,
    });
    const path = connectPath(member.api, 'claude_oauth');
    const [first, second] = [randomUUID(), randomUUID()];
    const begun = await sendWith(berth.url, request(path), first);
    expect((await sendWith(berth.url, request(path), first)).text).toBe(begun.text);
    const code = agree(JSON.parse(begun.text) as Paste);
    const done = await sendWith(berth.url, request(`${path}/complete`, { code }), second);
    expect(done.status).toBe(200);
    const again = await sendWith(berth.url, request(`${path}/complete`, { code }), second);
    expect([again.text, again.headers.get('idempotency-replayed')]).toEqual([done.text, 'true']);
    expect(anthropic.logins.calls).toHaveLength(1);
  });
});

describe('what the instance’s owner allows', () => {
  it.each([
    ['personal', 201, 403],
    ['off', 403, 403],
  ] as const)('%s', async (policy, own, shared) => {
    const other = await startTestApp({
      beside: berth,
      parts: {
        credentialPolicy: new CredentialPolicy(policy),
        loginEndpoints: loginEndpoints({ claude: anthropic.url }),
      },
    });
    try {
      const { apiKey } = await newMember('admin');
      const api = other.api(apiKey, 'acme');
      expect((await api.call('POST', connectPath(api, 'claude_oauth'))).status).toBe(own);
      expect((await api.call('POST', connectPath(api, 'claude_oauth', 'organization'))).status).toBe(shared);
      const key = await api.call('POST', connectPath(api, 'anthropic_api_key'));
      expectProblem(key, 409, 'operation-not-possible');
    } finally {
      await other.close();
    }
  });

  it('a member connects nothing for the organization', async () => {
    const { api } = await newMember();
    expectProblem(await api.call('POST', connectPath(api, 'claude_oauth', 'organization')), 403, 'forbidden');
    expectProblem(await complete(api, 'a#b', 'organization'), 403, 'forbidden');
    expectProblem(await api.call('GET', connectPath(api, 'claude_oauth', 'organization')), 403, 'forbidden');
  });
});

it('no code, verifier, state or token is in the database, a log or an answer', async () => {
  const { api } = await newMember();
  const begun = await beginConnect<Paste>(api, 'claude_oauth');
  const code = agree(begun);
  const done = await complete(api, code);
  expect(done.status).toBe(200);
  const open = await beginConnect<Paste>(api, 'claude_oauth');
  const pair = anthropic.logins.book.tokensOf(anthropic.logins.calls.at(-1)?.lineage ?? '');
  const canaries = [
    new Canary('code', '', code.split('#')[0]),
    new Canary('state', '', begun.state),
    new Canary('open state', '', open.state),
    ...pair.map((token, index) => new Canary(`token ${index}`, '', token.slice('sk-ant-oat01-'.length))),
  ];
  expect(pair).toHaveLength(2);
  const places = { log: logged, answers, ownerUrl: berth.database.ownerUrl };
  expect(await searchCanaries(canaries, places)).toEqual([]);
  expect(logged).toContain('/authorization/complete');
  // The verifier leaves in the body of the exchange alone; in the database it is sealed.
  const { rows } = (await sql(`SELECT sealed FROM login_attempt`)) as { rows: { sealed: string }[] };
  expect(rows.every(({ sealed }) => 'ciphertext' in (JSON.parse(sealed) as object))).toBe(true);
});
