import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { rowCounts, withClient } from '../../../test/support/tables.js';
import { KeyRotation } from '../../credentials/index.js';
import type { Actor } from '../../identity/index.js';
import { FakeClock } from '../../kernel/index.js';
import { ConnectionAttempts } from './connection-attempts.js';

let berth: TestApp;
let clock: FakeClock;
let acme: TestOrganization;
let attempts: ConnectionAttempts;
beforeAll(async () => {
  clock = new FakeClock();
  berth = await startTestApp({ clock });
  acme = await berth.founded('acme');
  attempts = berth.app.get(ConnectionAttempts, { strict: false });
});
afterAll(() => berth.close());

const actorOf = ({ userId, name, email, role, apiKeyId }: TestMember): Actor => ({
  organizationId: acme.id,
  ...{ userId, name, email, role },
  via: { type: 'api-key', id: apiKeyId, organizationId: acme.id },
});
const begin = (member = acme.owner) => attempts.begin(actorOf(member), 'github', 'account', { link: 'x' });
const signedIn = ({ userId: id, name, email }: TestMember) => ({
  ...{ id, name, email, instanceAdministrator: false },
  via: { type: 'session' as const, id: 'a-session' },
});

it('comes back once, with what went along, to whoever began it', async () => {
  const { state, verifier } = await begin();
  const claims = await Promise.allSettled([1, 2, 3, 4].map(() => attempts.claim(state, 'github', null)));
  const claimed = claims.flatMap((claim) => (claim.status === 'fulfilled' ? [claim.value] : []));
  expect(claimed).toEqual([
    { actor: actorOf(acme.owner), system: 'github', purpose: 'account', verifier, notes: { link: 'x' } },
  ]);
  await expect(attempts.claim(state, 'github', null)).rejects.toMatchObject({
    code: 'login-refused',
    message: expect.stringContaining('used already') as string,
  });
});

it('is refused at the other system, with another state, late, to another person, and to who was removed', async () => {
  const other = await berth.member(acme, 'member');
  const { state } = await begin();
  const refused = (message: string) => ({
    code: 'login-refused',
    message: expect.stringContaining(message) as string,
  });
  await expect(attempts.claim(state, 'linear', null)).rejects.toMatchObject(
    refused('Linear that this answer'),
  );
  await expect(attempts.claim(`${state}x`, 'github', null)).rejects.toMatchObject(refused('Begin again'));
  await expect(attempts.claim(state, 'github', signedIn(other))).rejects.toMatchObject(
    refused('Somebody else'),
  );
  // None of these has used it up.
  await expect(attempts.claim(state, 'github', signedIn(acme.owner))).resolves.toMatchObject({
    purpose: 'account',
  });

  const late = await begin();
  clock.advance(15 * 60_000);
  await expect(attempts.claim(late.state, 'github', null)).rejects.toMatchObject(
    refused('quarter of an hour'),
  );

  const left = await begin(other);
  await acme.owner.api.call('DELETE', acme.owner.api.path(`/members/${other.userId}`), undefined, 204);
  await expect(attempts.claim(left.state, 'github', null)).rejects.toMatchObject(refused('Begin again'));
});

it('keeps neither state nor verifier in the clear, and is found by key rotation', async () => {
  const { state, verifier } = await begin();
  const rows = await withClient(berth.database.ownerUrl, async (client) =>
    JSON.stringify((await client.query('SELECT * FROM connection_attempt')).rows),
  );
  expect(rows).not.toContain(state);
  expect(rows).not.toContain(verifier);
  const { keys } = berth.parts.system;
  expect([...(await keys.rowsByKey('connectionAttempt')).keys()]).toEqual(['test-key']);
  expect(await keys.notUnder('connectionAttempt', 'another-key', null, 1)).toHaveLength(1);
  expect(JSON.stringify(await berth.app.get(KeyRotation, { strict: false }).show())).toContain(
    'connection attempts',
  );
});

it('forgets those that are long over', async () => {
  clock.advance(2 * 24 * 3600_000);
  await begin();
  expect((await rowCounts(berth.database.ownerUrl)).connection_attempt).toBe(1);
});
