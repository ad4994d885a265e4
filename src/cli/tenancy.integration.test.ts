import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../test/support/app.js';
import { withClient } from '../../test/support/tables.js';
import { KeyRotation } from '../credentials/index.js';
import { answers, testCli, type TestCli } from './testing/test-cli.js';
import type { Keys } from './wire.js';

/** `berth members`, `invitations`, `limits`, `egress`, `keys` and `api-keys` on the real app. */

let app: TestApp;
let acme: TestOrganization;
let member: TestMember;
beforeAll(async () => {
  app = await startTestApp();
  acme = await app.founded('acme');
  member = await app.member(acme, 'member');
});
afterAll(() => app.close());

const cli = (): TestCli => testCli(app.url, acme.owner.apiKey);
const json = async <T>(...args: string[]): Promise<T> => {
  const test = cli();
  expect(await test.run(...args, '--json')).toBe(0);
  expect(test.err).toBe('');
  return JSON.parse(test.out) as T;
};

it('lists members, changes a role and removes one', async () => {
  const test = cli();
  expect(await test.run('members', 'list')).toBe(0);
  expect(test.out).toMatch(/^ID +NAME +EMAIL +ROLE +SINCE\n/);
  expect(test.out).toContain(member.email);
  expect(await json('members', 'role', member.email, 'admin')).toMatchObject({
    id: member.userId,
    role: 'admin',
  });

  const asked = testCli(app.url, acme.owner.apiKey, { prompts: answers('n') });
  expect(await asked.run('members', 'remove', member.userId)).toBe(1);
  expect(await json('members', 'remove', member.email)).toMatchObject({ id: member.userId, removed: true });
  expect((await member.api.call('GET', '/api/v1/me')).status).toBe(401);
  expect(await cli().run('members', 'remove', member.email)).toBe(4);
  expect(await cli().run('members', 'role', acme.owner.email, 'member')).toBe(5);
});

it('invites by a link that is shown once, and takes it back', async () => {
  const test = cli();
  expect(await test.run('invitations', 'create', 'grace@example.com', '--role', 'admin')).toBe(0);
  expect(test.out).toMatch(/^http:\S+\n$/);
  const [open] = await json<{ id: string }[]>('invitations', 'list');
  expect(open).toMatchObject({ email: 'grace@example.com', role: 'admin' });
  expect(await json('invitations', 'revoke', open?.id ?? '')).toEqual({ id: open?.id, revoked: true });
  expect(await json('invitations', 'list')).toEqual([]);
});

it('shows that this Berth has no app at Linear, and what to make one with', async () => {
  const test = cli();
  expect(await test.run('integrations', 'linear', 'show')).toBe(0);
  expect(test.out).toContain(`${app.url}/webhooks/linear`);
  expect(await cli().run('integrations', 'linear', 'connect')).toBe(5);
  expect(await cli().run('integrations', 'linear', 'disconnect', '--yes')).toBe(5);
});

it('shows limits, and changes them for who runs this Berth', async () => {
  const test = cli();
  expect(await test.run('limits', 'show')).toBe(0);
  expect(test.out).toMatch(/^WHAT +LIMIT +USED\nworkspaces +\d+ +0\nrunning workspaces +\d+ +0\n/);
  expect(await test.run('limits', 'set')).toBe(2);
  expect(await test.run('limits', 'set', '--running', '50')).toBe(3);
});

it('shows which hosts agents may reach, and changes the list', async () => {
  const shown = cli();
  expect(await shown.run('egress', 'show')).toBe(0);
  expect(shown.out).toMatch(/^registry\.npmjs\.org\n(.+\n)+the workspace's git host\n$/);
  const allowed = cli();
  expect(await allowed.run('egress', 'allow', 'Registry.Example.com', '*.cdn.example.com')).toBe(0);
  expect(allowed.err).toMatch(/the organization’s own from now on/);
  expect(allowed.out).toMatch(/\nregistry\.example\.com\n\*\.cdn\.example\.com\n$/);
  const forbidden = cli();
  expect(await forbidden.run('egress', 'forbid', '*.cdn.example.com', 'registry.npmjs.org')).toBe(0);
  expect([forbidden.err, forbidden.out]).toEqual(['', expect.stringMatching(/registry\.example\.com\n$/)]);
  expect(await cli().run('egress', 'allow', '127.0.0.1')).not.toBe(0);
  const { isDefault } = await json<{ isDefault: boolean }>('egress', 'reset');
  expect(isDefault).toBe(true);
});

it('shows the encryption keys, and rotates them for who runs this Berth', async () => {
  expect(await cli().run('keys', 'rotate')).toBe(3);
  await withClient(app.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]),
  );
  const shown = cli();
  expect(await shown.run('keys', 'show')).toBe(0);
  const row = /^KEY +USE +IN RING +.*CREDENTIALS .*\n(\S+) +seals +yes +\d/.exec(shown.out);
  expect(shown.out).toContain(`Everything is sealed with "${row?.[1] ?? '?'}".`);

  const begun = await json<Keys>('keys', 'rotate');
  expect(begun.rotation).toMatchObject({ target: row?.[1], state: 'running' });
  const waiting = testCli(app.url, acme.owner.apiKey, {
    sleep: () => app.app.get(KeyRotation).work(new AbortController().signal),
  });
  expect(await waiting.run('keys', 'rotate', '--wait')).toBe(0);
  expect(waiting.err).toMatch(/^Rotation to "\S+": 0 rows are left\n/);
  expect(waiting.out).toMatch(/\nRotation to "\S+": finished, begun \S+, ended \S+\.\n/);
});

it('makes an API key that works, lists and deletes it', async () => {
  const test = cli();
  expect(await test.run('api-keys', 'create', 'ci', '--expires-at', '2099-01-31')).toBe(0);
  const key = test.out.trim();
  expect((await app.api(key).call('GET', '/api/v1/me')).status).toBe(200);
  const made = (await json<{ id: string; name: string }[]>('api-keys', 'list')).find(
    ({ name }) => name === 'ci',
  );
  expect(made).toMatchObject({ expiresAt: '2099-01-31T00:00:00.000Z' });
  expect(await json('api-keys', 'delete', made?.id ?? '')).toMatchObject({ deleted: true });
  expect((await app.api(key).call('GET', '/api/v1/me')).status).toBe(401);
  expect(await cli().run('api-keys', 'create', 'ci', '--expires-at', 'soon')).toBe(2);
});
