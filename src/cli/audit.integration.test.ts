import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../test/support/app.js';
import { withClient } from '../../test/support/tables.js';
import { BerthServer } from './testing/berth-server.js';
import { testCli, type TestCli } from './testing/test-cli.js';

/** `berth audit` on the real app. The log of acme has 60 entries of its owner and one of an admin. */

let app: TestApp;
let acme: TestOrganization;
let admin: TestMember;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-cli-audit-'));
  app = await startTestApp();
  acme = await app.founded('acme');
  await sql('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]);
  admin = await app.member(acme, 'admin');
  const { api } = acme.owner;
  for (let n = 1; n <= 60; n++) await api.post(api.path('/api-keys'), { name: `key ${n}` }, 201);
  await admin.api.post(api.path('/invitations'), { email: 'grace@example.com', role: 'member' }, 201);
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

const sql = (text: string, values: unknown[] = []) =>
  withClient(app.database.ownerUrl, (client) => client.query(text, values));
const cli = (apiKey = acme.owner.apiKey): TestCli => testCli(app.url, apiKey);
const file = (name: string): string => join(folder, name);

/** What a command prints with `--json`. */
async function json<T>(exitCode: number, ...args: string[]): Promise<T> {
  const test = cli();
  expect(await test.run('audit', ...args, '--json')).toBe(exitCode);
  expect(test.err).toBe('');
  return JSON.parse(test.out) as T;
}
const numbers = async (...args: string[]): Promise<number[]> =>
  (await json<{ seq: number }[]>(0, 'list', ...args)).map(({ seq }) => seq);

interface Verdict {
  holds: boolean;
  entries: number;
  head: { seq: number; hash: string };
  fault: { seq: number; problem: string } | null;
}

describe('berth audit list', () => {
  it('shows the newest, and says that there are more', async () => {
    const test = cli();
    expect(await test.run('audit', 'list', '--limit', '2')).toBe(0);
    const [heading, ...rows] = test.out.trimEnd().split('\n');
    expect(heading).toMatch(/^NUMBER +TIME +WHO +DID +TO$/);
    expect(rows[0]).toMatch(/^61 +20\S+Z +admin of acme +invitation\.created +invitation/);
    expect(rows[1]).toMatch(/^60 +20\S+Z +owner of acme +api-key\.created +api-key key 60$/);
    expect(rows).toHaveLength(2);
    expect(test.err).toContain('There are more than these 2');
    expect(await numbers()).toHaveLength(50);
  });

  it('goes through as many pages as it takes, from either end', async () => {
    const all = Array.from({ length: 61 }, (_, at) => at + 1);
    expect(await numbers('--limit', '1000')).toEqual(all.toReversed());
    expect(await numbers('--limit', '1000', '--oldest-first')).toEqual(all);
    expect(await numbers('--limit', '0')).toEqual([]);
  });

  it('filters by who, what, to what and when', async () => {
    expect(await numbers('--actor', admin.email)).toEqual([61]);
    expect(await numbers('--actor', admin.userId)).toEqual([61]);
    expect(await numbers('--action', 'invitation.created')).toEqual([61]);
    const [entry] = await json<{ subject: { id: string }; at: string }[]>(0, 'list', '--limit', '1');
    expect(await numbers('--subject', entry?.subject.id ?? '')).toEqual([61]);
    expect(await numbers('--since', entry?.at ?? '')).toContain(61);
    expect(await numbers('--until', '2026-01-01')).toEqual([]);
    const test = cli();
    expect(await test.run('audit', 'list', '--until', '2026-01-01')).toBe(0);
    expect(test.out).toBe('There is no such entry.\n');
  });

  it('asks for what this command does not know, and tells what Berth does not', async () => {
    const test = cli();
    expect(await test.run('audit', 'list', '--action', 'ship.sailed')).toBe(2);
    expect(test.err).toContain('query.action');
    expect(await test.run('audit', 'list', '--since', 'yesterday')).toBe(2);
    expect(await test.run('audit', 'list', '--actor', 'nobody@example.com')).toBe(4);
  });

  it('shows the log of the whole Berth to who administers it', async () => {
    await app
      .api(null)
      .call('POST', '/api/v1/session', { email: admin.email, password: 'wrong wrong wrong' });
    const [refused] = await json<object[]>(0, 'list', '--instance', '--action', 'session.refused');
    expect(refused).toMatchObject({ actor: { type: 'anonymous' }, subject: { id: admin.userId } });
    expect(await cli(admin.apiKey).run('audit', 'list', '--instance')).toBe(3);
  });
});

describe('berth audit export and verify', () => {
  it('exports the bytes that were hashed, to a file that only its owner reads, and never over another', async () => {
    const test = cli();
    expect(await test.run('audit', 'export', '-o', file('a.jsonl'))).toBe(0);
    const { head } = await json<Verdict>(0, 'verify');
    expect(test.out).toBe(
      `Wrote ${head.seq} entries to ${file('a.jsonl')}.\nHead, to keep elsewhere: ${head.seq}:${head.hash}\n`,
    );
    const { api } = acme.owner;
    const exported = await readFile(file('a.jsonl'), 'utf8');
    expect(exported).toBe((await api.get<string>(api.path('/audit/export'))).body);
    expect((await stat(file('a.jsonl'))).mode & 0o777).toBe(0o600);
    const again = cli();
    expect(await again.run('audit', 'export', '-o', file('a.jsonl'))).toBe(2);
    expect(again.err).toContain('is there already');
    const printed = cli();
    expect(await printed.run('audit', 'export')).toBe(0);
    expect(printed.out).toBe(exported);
    expect(await json(0, 'export', '-o', file('b.jsonl'))).toMatchObject({ entries: head.seq, head });
  });

  it('verifies on the server, against a head that was kept', async () => {
    const test = cli();
    expect(await test.run('audit', 'verify')).toBe(0);
    const kept = /Head, to keep elsewhere: (\d+:[0-9a-f]{64})\n$/.exec(test.out)?.[1] ?? '';
    expect(test.out).toMatch(/^The log holds: entries 1 to \d+ of /);
    expect(await json(0, 'verify', '--head', kept)).toMatchObject({ holds: true });
    const forged = kept.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    expect(await json(1, 'verify', '--head', forged)).toMatchObject({ fault: { problem: 'anchor-differs' } });
    expect(await cli().run('audit', 'verify', '--head', '12')).toBe(2);
    expect(await json(0, 'verify', '--instance')).toMatchObject({ holds: true });
  });

  it('verifies a file without asking anybody', async () => {
    await json(0, 'export', '-o', file('whole.jsonl'));
    const text = await readFile(file('whole.jsonl'), 'utf8');
    const offline = (): TestCli => testCli('http://127.0.0.1:2', 'none');
    const test = offline();
    expect(await test.run('audit', 'verify', file('whole.jsonl'))).toBe(0);
    expect(test.out).toContain(`of ${acme.id} are as they were written`);
    const { head } = await json<Verdict>(0, 'verify', file('whole.jsonl'));
    expect(await json(0, 'verify', file('whole.jsonl'), '--head', `${head.seq}:${head.hash}`)).toMatchObject({
      holds: true,
    });

    await writeFile(file('forged.jsonl'), text.replace('"key 7"', '"key 8"'));
    const forged = offline();
    expect(await forged.run('audit', 'verify', file('forged.jsonl'))).toBe(1);
    expect(forged.out).toMatch(
      /^The log does not hold\. Entry 7 was changed: .*\nEntries that are good.*: 6\.\n$/,
    );
    expect(forged.err).toBe('');

    const lines = text.trimEnd().split('\n');
    await writeFile(file('cut.jsonl'), lines.slice(0, 9).join('\n'));
    expect(await json(1, 'verify', file('cut.jsonl'))).toMatchObject({ fault: { problem: 'head-differs' } });
    await writeFile(file('hole.jsonl'), lines.toSpliced(4, 1).join('\n'));
    expect(await json(1, 'verify', file('hole.jsonl'))).toMatchObject({
      entries: 4,
      fault: { seq: 5, problem: 'missing' },
    });
    await writeFile(file('other.txt'), 'hello\n');
    expect(await json(1, 'verify', file('other.txt'))).toMatchObject({ fault: { problem: 'malformed' } });

    const piped = testCli('http://127.0.0.1:2', 'none', { readInput: () => Promise.resolve(text) });
    expect(await piped.run('audit', 'verify', '-')).toBe(0);
    expect(await offline().run('audit', 'verify', file('none.jsonl'))).toBe(2);
    expect(await offline().run('audit', 'verify', file('whole.jsonl'), '--instance')).toBe(2);
  });

  it('names the first bad entry when somebody changed the database', async () => {
    const other = await app.founded('other');
    for (let n = 1; n <= 5; n++)
      await other.owner.api.post(other.owner.api.path('/api-keys'), { name: `key ${n}` }, 201);
    await withClient(app.database.ownerUrl, async (client) => {
      await client.query('BEGIN; ALTER TABLE audit_entry DISABLE TRIGGER USER');
      await client.query(
        `UPDATE audit_entry SET actor_name = 'Mallory' WHERE seq = 3 AND organization_id = $1`,
        [other.id],
      );
      await client.query('ALTER TABLE audit_entry ENABLE TRIGGER USER; COMMIT');
    });
    const test = cli(other.owner.apiKey);
    expect(await test.run('audit', 'verify')).toBe(1);
    expect(test.out).toContain('Entry 3 was changed');
    // What is exported is what stands there, so it can be looked at.
    expect(await cli(other.owner.apiKey).run('audit', 'export', '-o', file('mallory.jsonl'))).toBe(0);
    expect(await json(1, 'verify', file('mallory.jsonl'))).toMatchObject({ fault: { seq: 3 } });
  });

  it('is for admins', async () => {
    const { apiKey } = await app.member(acme, 'member');
    for (const command of ['list', 'verify', 'export'])
      expect(await cli(apiKey).run('audit', command)).toBe(3);
  });
});

describe('an export that breaks off', () => {
  let server: BerthServer;
  let url: string;
  beforeEach(async () => {
    server = new BerthServer('berth_k');
    url = await server.listen();
  });
  afterEach(() => server.close());

  it.each([
    ['by a cut connection', 6, 'The connection to'],
    ['by an end before the head', 1, 'ended before its head'],
  ])('%s leaves no file', async (_, exitCode, said) => {
    server.intercept = ({ path }, response) => {
      if (!path.endsWith('/audit/export')) return false;
      response.writeHead(200, { 'content-type': 'application/jsonl' });
      response.write('{"seq":1}\n');
      if (exitCode === 6) setImmediate(() => response.socket?.destroy());
      else response.end();
      return true;
    };
    const test = testCli(url, 'berth_k');
    expect(await test.run('audit', 'export', '-o', file('broken.jsonl'))).toBe(exitCode);
    expect(test.err).toContain(said);
    await expect(stat(file('broken.jsonl'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('does not begin where something else answers', async () => {
    server.intercept = ({ path }, response) => {
      if (!path.endsWith('/audit/export')) return false;
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello</p>');
      return true;
    };
    const test = testCli(url, 'berth_k');
    expect(await test.run('audit', 'export')).toBe(1);
    expect(test.out).toBe('');
    expect(test.err).toContain('did not answer as Berth does');
  });
});
