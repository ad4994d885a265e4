import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { agentProgram } from '../emulators/run-agents.js';
import { BerthProcess } from '../support/berth.js';
import { processesNaming } from './support/processes.js';
import { TestSystem } from './support/system.js';

/** A machine or a start that is not as it should be: what Berth says, and that mending what it names is enough. */

describe('a machine without agents and without bubblewrap', () => {
  let programs: string;
  let system: TestSystem;

  beforeAll(async () => {
    programs = await mkdtemp(path.join(tmpdir(), 'berth-e2e-path-'));
    // All programs of this machine but those in question.
    for (const folder of ['/usr/bin', '/usr/sbin', path.dirname(process.execPath)]) {
      for (const name of await readdir(folder)) {
        if (['bwrap', 'claude', 'codex'].includes(name)) continue;
        const link = path.join(programs, name);
        if (!existsSync(link)) await symlink(path.join(folder, name), link);
      }
    }
    system = await TestSystem.start({ environment: { PATH: programs, CLAUDE_BIN: '', CODEX_BIN: '' } });
  });
  afterAll(async () => {
    await system.close();
    await rm(programs, { recursive: true, force: true });
  });

  it('starts, and says that bubblewrap is missing and which package has it', () => {
    const said = system.berth.output.join('');
    expect(said).toContain('"sandbox":"unavailable"');
    expect(said).toMatch(/bubblewrap/);
  });

  it('fails a workspace naming first the agent, then the package; with both there it works', async () => {
    const repository = await system.repository('bare');
    const { id } = await system.api.createWorkspace({
      repository: repository.url,
      agent: 'claude',
      message: 'create hello.txt',
    });
    expect((await system.api.untilState(id, 'failed')).stateReason).toContain('berth agents install claude');
    await symlink(await realpath(agentProgram('CLAUDE_BIN')), path.join(programs, 'claude'));

    await system.api.post(system.api.path(`/workspaces/${id}/wake`), {}, 202);
    await system.api.poll('it failed for another reason', async () => {
      const { state, stateReason } = await system.api.workspace(id);
      return state === 'failed' && !stateReason?.includes('agents install') ? true : null;
    });
    expect((await system.api.workspace(id)).stateReason).toMatch(/bubblewrap.*apt-get install bubblewrap/s);
    expect(processesNaming(id)).toEqual([]);
    await symlink('/usr/bin/bwrap', path.join(programs, 'bwrap'));

    await system.api.post(system.api.path(`/workspaces/${id}/wake`), {}, 202);
    await system.api.untilState(id, 'running');
    const [message] = await system.api.messages(id);
    expect(await system.api.untilEnded(id, message?.id ?? '')).toMatchObject({ state: 'completed' });
  });
});

describe('a data directory that is taken, or sealed with another key', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await TestSystem.start();
  });
  afterAll(() => system.close());

  /** Digests of Berth's own files. Postgres' are left out: a server that starts writes its log. */
  const ownFiles = async (): Promise<Record<string, string>> => {
    const root = system.berth.dataDirectory;
    const entries = await readdir(root, { withFileTypes: true, recursive: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
    const own = files.filter((file) => !file.startsWith(path.join(root, 'postgres'))).sort();
    const digests = own.map(
      async (file) =>
        [
          path.relative(root, file),
          createHash('sha256')
            .update(await readFile(file))
            .digest('hex'),
        ] as const,
    );
    return Object.fromEntries(await Promise.all(digests));
  };

  it('refuses a second Berth with exit code 1 and says which process has it; the first goes on', async () => {
    const second = await BerthProcess.refused({ BERTH_DATA_DIR: system.berth.dataDirectory });
    expect(second.code).toBe(1);
    expect(second.output).toContain('data-directory-in-use');
    expect(second.output).toContain(`process ${system.berth.pid}`);
    expect(second.output).toContain('BERTH_DATA_DIR');
    const { id } = await system.runningWorkspace('codex', 'first-goes-on');
    const asked = await system.api.send(id, 'Good day');
    expect(await system.api.untilEnded(id, asked.id)).toMatchObject({ state: 'completed' });
  });

  it('refuses another key ring naming the key that is missing, touches nothing, and starts with the right one', async () => {
    expect(await system.berth.stop()).toBe(0);
    const before = await ownFiles();
    const ring = await readFile(path.join(system.berth.dataDirectory, 'encryption-keys'), 'utf8');
    const [keyId = '', key = ''] = ring.trim().split(':');
    const wrong = {
      anotherId: `other:${randomBytes(32).toString('base64')}`,
      anotherKey: `${keyId}:${randomBytes(32).toString('base64')}`,
    };
    for (const keys of Object.values(wrong)) {
      const refused = await BerthProcess.refused({
        BERTH_DATA_DIR: system.berth.dataDirectory,
        BERTH_ENCRYPTION_KEYS: keys,
      });
      expect(refused.code).toBe(1);
      expect(refused.output).toContain('key-ring-mismatch');
      expect(refused.output).toContain(keyId);
      expect(refused.output).not.toContain(key);
      expect(refused.output).not.toContain(keys.split(':')[1] ?? keys);
    }
    expect(await ownFiles()).toEqual(before);
    expect(processesNaming(system.berth.dataDirectory)).toEqual([]);

    await system.restart();
    const { id } = await system.runningWorkspace('claude', 'right-ring');
    const asked = await system.api.send(id, 'Good day');
    expect(await system.api.untilEnded(id, asked.id)).toMatchObject({ state: 'completed' });
  });
});
