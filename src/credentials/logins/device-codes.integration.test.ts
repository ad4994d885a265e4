import { startOpenaiEmulator, type OpenaiEmulator } from '../../../test/emulators/openai.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import {
  beginConnect,
  connectPath,
  connectStatus,
  ownCredential,
  type Device,
} from '../../../test/support/connecting.js';
import { eventually } from '../../../test/support/eventually.js';
import { expectProblem } from '../../../test/support/problem.js';
import { withClient } from '../../../test/support/tables.js';
import { JobQueue, PATIENT_QUEUE } from '../../queue/index.js';
import { LoginPolling } from '../index.js';
import { messages } from './attempt.js';

let openai: OpenaiEmulator;
let berth: TestApp;
let acme: TestOrganization;

beforeAll(async () => {
  openai = await startOpenaiEmulator();
  openai.logins.intervalSeconds = 1;
  berth = await startTestApp({
    worker: true,
    parts: { loginEndpoints: loginEndpoints({ openai: openai.url }) },
  });
  acme = await berth.founded('acme');
});
afterEach(() => openai.reset());
afterAll(async () => {
  await berth.close();
  await openai.close();
});

const newMember = (role: 'member' | 'admin' = 'member') => berth.member(acme, role);
const sql = (text: string, values: unknown[] = []): Promise<{ rows: { state?: string }[] }> =>
  withClient(berth.database.ownerUrl, (client) => client.query(text, values));

describe('connecting ChatGPT', () => {
  it('shows a code to type, waits for it, and stores the login', async () => {
    const { api, userId } = await newMember();
    const begun = await beginConnect<Device>(api, 'openai_oauth');
    expect(begun).toMatchObject({ method: 'device', verificationUrl: `${openai.url}/codex/device` });
    expect(begun.notice).toContain('ChatGPT plan');
    await eventually('it asked twice', () => openai.logins.calls.length >= 3);
    expect(await connectStatus(api, 'openai_oauth')).toMatchObject({ state: 'pending' });
    expect(openai.logins.approve(begun.userCode)).toBe(true);
    await eventually(
      'connected',
      async () => (await connectStatus(api, 'openai_oauth')).state === 'connected',
    );
    expect(await ownCredential(api, 'openai_oauth')).toMatchObject({
      status: 'active',
      generation: 1,
      connectedBy: { id: userId },
      account: { email: 'ada@example.com', plan: 'max' },
      loginEndsAt: null,
    });
    expect(openai.logins.count('exchanged')).toBe(1);
    const there = await api.call('POST', `${connectPath(api, 'openai_oauth')}/complete`, { code: 'a#b' });
    expectProblem(there, 409, 'operation-not-possible');
  });

  it('goes on after an endpoint in trouble, also when the exchange meets it', async () => {
    const { api } = await newMember();
    openai.fail({ status: 503, match: { path: '/api/accounts/deviceauth/token' } });
    openai.fail({ status: 500, match: { grant: 'authorization_code' } });
    const { userCode } = await beginConnect<Device>(api, 'openai_oauth');
    openai.logins.approve(userCode);
    await eventually(
      'connected',
      async () => (await connectStatus(api, 'openai_oauth')).state === 'connected',
    );
    expect(openai.logins.calls.filter(({ outcome }) => outcome === 'failed')).toHaveLength(2);
  });

  it('says what is wrong while nobody can be asked, waits as long as it is told to, and says no more of it afterwards', async () => {
    const { api, userId } = await newMember();
    const match = { path: '/api/accounts/deviceauth/token' };
    const message = async (): Promise<string> => (await connectStatus(api, 'openai_oauth')).message;
    openai.fail({ mode: 'html', status: 502, match });
    openai.fail({ status: 429, headers: { 'retry-after': '30' }, match });
    await beginConnect<Device>(api, 'openai_oauth');
    await eventually('it is said', async () => (await message()).includes('status 502'));
    await eventually('and the next', async () => (await message()).includes('status 429'));
    const wait = `SELECT extract(epoch FROM poll_at - now()) AS seconds FROM login_attempt WHERE user_id = $1`;
    const [{ seconds }] = (await sql(wait, [userId])).rows as unknown as [{ seconds: string }];
    expect(Number(seconds)).toBeGreaterThan(20);
    await sql(`UPDATE login_attempt SET poll_at = now() - interval '1 minute' WHERE user_id = $1`, [userId]);
    await berth.app.get(LoginPolling).askForAll();
    await eventually('nothing is wrong any more', async () =>
      (await message()).startsWith('Waiting for you'),
    );
    expect(await connectStatus(api, 'openai_oauth')).toMatchObject({ state: 'pending' });
  });

  it('says that codes are not enabled, and that nobody could be asked', async () => {
    const { api } = await newMember();
    openai.logins.isDeviceLoginOn = false;
    const off = await api.call('POST', connectPath(api, 'openai_oauth'));
    expect(expectProblem(off, 409, 'login-refused').detail).toContain('does not let this account');
    openai.logins.isDeviceLoginOn = true;
    openai.fail({ status: 503, match: { grant: 'device' } });
    expectProblem(await api.call('POST', connectPath(api, 'openai_oauth')), 503, 'not-ready');
    expectProblem(await api.call('GET', connectPath(api, 'openai_oauth')), 404, 'not-found');
  });

  it('ends when nobody typed the code in time', async () => {
    const { api } = await newMember();
    await beginConnect<Device>(api, 'openai_oauth');
    await sql(`UPDATE login_attempt SET expires_at = now() WHERE state = 'pending'`);
    const left = `SELECT state FROM login_attempt WHERE state = 'pending'`;
    await eventually('ended', async () => (await sql(left)).rows.length === 0);
    expect(await connectStatus(api, 'openai_oauth')).toMatchObject({
      state: 'expired',
      message: messages.expired,
    });
  });

  it('is found by the sweep when its job was lost', async () => {
    const { api } = await newMember();
    const { userCode } = await beginConnect<Device>(api, 'openai_oauth');
    openai.logins.approve(userCode);
    // Nobody has a job for it any more: it looks as though its last look were long ago.
    await sql(`UPDATE login_attempt SET poll_at = now() - interval '1 minute' WHERE state = 'pending'`);
    await berth.app.get(LoginPolling).askForAll();
    await eventually(
      'connected',
      async () => (await connectStatus(api, 'openai_oauth')).state === 'connected',
    );
    expect(openai.logins.count('exchanged')).toBe(1);
  });

  it('is not stored for an organization whose admin the person is no more, nor for one who left', async () => {
    const admin = await newMember('admin');
    const { userCode } = await beginConnect<Device>(admin.api, 'openai_oauth', 'organization');
    await sql(`UPDATE member SET role = 'member' WHERE user_id = $1`, [admin.userId]);
    openai.logins.approve(userCode);
    const its = `SELECT state FROM login_attempt WHERE user_id = $1`;
    await eventually('refused', async () => (await sql(its, [admin.userId])).rows[0]?.state === 'refused');
    const leaver = await newMember();
    const second = await beginConnect<Device>(leaver.api, 'openai_oauth');
    await sql(`DELETE FROM member WHERE user_id = $1`, [leaver.userId]);
    openai.logins.approve(second.userCode);
    await eventually('no job is left', async () => {
      const { waiting, active } = await berth.app.get(JobQueue).counts(PATIENT_QUEUE);
      return waiting + active === 0;
    });
    expect(openai.logins.count('exchanged')).toBe(0);
  });
});
