import type { AuditVerdict, CredentialView } from '../../src/contracts/index.js';
import type { Api } from '../support/api.js';
import { contents } from '../support/tables.js';
import { LoginGround } from '../support/login-ground.js';
import { figure } from './figure.js';

/*
 * Deliberately broken, and seen to fail: without the entry of Leasing.book, `credential.used` is missed; with it written outside of the lease's transaction, a lease is given while the log cannot be written.
 */

const KEY = { apiKey: `sk-ant-api03-${'x'.repeat(40)}` };
const keyPath = (api: Api): string => api.path('/credentials/user/anthropic_api_key');
const REFRESH = { grant: 'refresh_token' };

/** What a life of one login is to have in the log, in order; of its key only that it took over. */
const LIFE = [
  'credential.set',
  'credential.used',
  'credential.rotation-forced',
  'credential.set',
  'credential.used',
  'credential.used',
  'credential.rejected',
  'credential.removed',
];

figure(
  {
    id: 'F29 logins',
    scenario:
      'logins connected, used by workspaces, renewed by hand, replaced, ended by the provider and removed, with a key that takes over; each step once more while the audit log cannot be written',
    line: 'each change and each first use is booked, in order; while it cannot be, each change and each first use is refused with 503 and changes nothing, the provider is not asked, and who had a lease goes on',
    rounds: { small: 2, full: 100 },
    countedAt: 'entries of the log, by its API; answers; rows of credentials; the book of the token endpoint',
    time: 'real',
  },
  async (findings) => {
    const ground = await LoginGround.start();
    findings.tried = 0;
    const expect = (holds: boolean, breach: string): void => {
      findings.tried++;
      findings.expect(holds, breach);
    };
    try {
      for (let round = 0; round < findings.rounds; round++) {
        const found = await live(ground, expect);
        expect(found.join() === LIFE.join(), `booked of a login: ${found.join(', ')}`);
      }
      const { api } = ground;
      const { body } = await api.get<AuditVerdict>(api.path('/audit/verification'));
      expect(body.holds, 'the chain does not hold');
    } finally {
      await ground.close();
    }
  },
);

/** One login's life; answers what is booked of it. */
async function live(
  ground: LoginGround,
  expect: (holds: boolean, breach: string) => void,
): Promise<string[]> {
  const { api } = ground;
  const [first = '', second = ''] = await ground.workspaces(2);
  const { id, generation } = await ground.newLogin();
  await ground.lease(first);
  // Again, and after a renewal: it is the same use.
  await ground.lease(first);
  await api.post(ground.path('user', '/rotate'), undefined, 200);
  await ground.lease(first);
  expect((await ground.shown()).generation === generation + 1, 'it was not renewed by hand');
  await whileUnwritable(ground, { first, second }, expect);
  await ground.newLogin();
  await ground.lease(first);
  await ground.lease(second);
  const { body: key } = await api.call<CredentialView>('PUT', keyPath(api), KEY, 200);
  ground.claude.fail({ status: 400, body: { error: 'invalid_grant' }, match: REFRESH });
  await ground.runOut();
  const fallback = await ground.lease(first);
  expect(fallback.credentialId === key.id, 'the key did not take over');
  const ofKey = await booked(ground, key.id);
  for (const action of ['credential.set', 'credential.used', 'credential.fallback'])
    expect(ofKey.includes(action), `${action} of the key was not booked`);
  await api.call('DELETE', ground.path(), undefined, 204);
  await api.call('DELETE', keyPath(api), undefined, 204);
  expect((await booked(ground, key.id)).at(-1) === 'credential.removed', 'removing the key was not booked');
  return booked(ground, id);
}

/** `first` has a lease of the login, `second` has none yet. */
async function whileUnwritable(
  ground: LoginGround,
  { first, second }: { first: string; second: string },
  expect: (holds: boolean, breach: string) => void,
): Promise<void> {
  const { api, claude } = ground;
  const { ownerUrl } = ground.app().database;
  const before = await contents(ownerUrl);
  const calls = claude.logins.calls.length;
  const { accessToken, refreshToken, expiresAt } = claude.logins.issue();
  const pair = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
  await ground.sql('REVOKE INSERT ON audit_entry FROM berth_app, berth_system');
  try {
    const refused = {
      replace: await api.call('PUT', ground.path(), pair),
      'force a renewal': await api.call('POST', ground.path('user', '/rotate')),
      'begin to connect': await api.call('POST', ground.path('user', '/authorization')),
      remove: await api.call('DELETE', ground.path()),
      'set a key': await api.call('PUT', keyPath(api), KEY),
      'change the policy': await api.call('PUT', api.path('/credential-policy'), {
        organizationFallback: false,
      }),
    };
    for (const [what, { status, body }] of Object.entries(refused)) {
      const { code } = body as { code?: string };
      expect(status === 503 && code === 'audit-unavailable', `${what}: answered ${status} ${code ?? ''}`);
    }
    const used = await ground.lease(second).then(
      () => 'given',
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );
    expect(used === 'audit-unavailable', `a first use that cannot be booked: ${used}`);
    expect((await ground.shown()).status === 'active', 'it cannot be read');
    expect((await ground.lease(first)).generation > 0, 'who had a lease has none');
  } finally {
    await ground.sql('GRANT INSERT ON audit_entry TO berth_app, berth_system');
  }
  const after = await contents(ownerUrl);
  for (const table of ['credential', 'credential_rotation', 'login_attempt'])
    expect(before[table]?.digest === after[table]?.digest, `rows of ${table} were changed`);
  expect(claude.logins.calls.length === calls, 'the provider was asked');
}

async function booked({ api }: LoginGround, id: string): Promise<string[]> {
  const { items } = (
    await api.get<{ items: { action: string; subject: { id: string | null } | null }[] }>(
      api.path('/audit?limit=100'),
    )
  ).body;
  return items
    .filter(({ subject }) => subject?.id === id)
    .map(({ action }) => action)
    .reverse();
}
