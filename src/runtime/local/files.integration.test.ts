import { existsSync } from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, requireAgent } from './programs.js';
import { removeTree } from './remove-tree.js';
import { readRunnerFile, readRunnerPid, writeRunnerPid } from './runner-file.js';
import { boundLog } from './runner-log.js';

describe('files of a workspace', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-files-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  describe('removeTree', () => {
    it('removes links and leaves what they lead to; nothing there is fine', async () => {
      const tree = join(folder, 'tree');
      await mkdir(tree);
      await mkdir(join(folder, 'kept'));
      await writeFile(join(folder, 'kept', 'file'), 'kept');
      await symlink(join(folder, 'kept'), join(tree, 'link'));
      await removeTree(tree);
      await removeTree(tree);
      expect(await readdir(folder)).toEqual(['kept']);
      expect(await readFile(join(folder, 'kept', 'file'), 'utf8')).toBe('kept');
    });

    it('removes read-only folders as an ordinary user, and opens nothing behind a link', async () => {
      const tree = join(folder, 'tree');
      const outside = join(folder, 'outside');
      await mkdir(join(tree, 'cache', 'module'), { recursive: true });
      await mkdir(outside);
      await writeFile(join(tree, 'cache', 'module', 'file'), 'x');
      await symlink(outside, join(tree, 'link'));
      const isRoot = process.getuid?.() === 0;
      const places = [folder, tree, join(tree, 'cache'), join(tree, 'cache', 'module'), outside];
      if (isRoot) for (const each of places) await chown(each, 65534, 65534);
      for (const each of [join(tree, 'cache', 'module'), join(tree, 'cache'), outside])
        await chmod(each, 0o500);
      // Root may remove everything; only another user shows what happens to an ordinary one.
      if (isRoot) process.seteuid?.(65534);
      try {
        await removeTree(tree);
      } finally {
        if (isRoot) process.seteuid?.(0);
      }
      expect(existsSync(tree)).toBe(false);
      expect((await stat(outside)).mode & 0o777).toBe(0o500);
    });
  });

  describe('boundLog', () => {
    it('keeps a short log whole, and the last part of a long one', async () => {
      const log = join(folder, 'runner.log');
      await boundLog(log, 100, 10);
      expect(existsSync(log)).toBe(false);
      await writeFile(log, 'short');
      await boundLog(log, 100, 10);
      expect(await readFile(log, 'utf8')).toBe('short');
      await appendFile(log, `${'x'.repeat(200)}0123456789`);
      await boundLog(log, 100, 10);
      expect(await readFile(log, 'utf8')).toBe('0123456789');
    });

    it('lets a writer that has it open go on at the new end', async () => {
      const log = join(folder, 'runner.log');
      const writer = await open(log, 'a');
      await writer.write(`${'x'.repeat(200)}tail`);
      await boundLog(log, 100, 4);
      await writer.write(' more');
      await writer.close();
      expect(await readFile(log, 'utf8')).toBe('tail more');
    });
  });

  describe('runner files', () => {
    it('are written whole, private, and leave no partial file', async () => {
      const path = join(folder, 'runner.pid');
      await writeRunnerPid(path, { pid: 7, startTime: '99' });
      await writeRunnerPid(path, { pid: 8, startTime: '100' });
      expect(await readRunnerPid(path)).toEqual({ pid: 8, startTime: '100' });
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(await readdir(folder)).toEqual(['runner.pid']);
    });

    it.each(['', '{', '{"pid":-1,"startTime":"1"}', '{"pid":"7"}', 'null'])(
      'count %j as absent',
      async (text) => {
        const path = join(folder, 'runner.pid');
        await writeFile(path, text);
        expect(await readRunnerPid(path)).toBeNull();
        expect(await readRunnerFile(path)).toBeNull();
      },
    );

    it('leave no partial file behind when they cannot be written', async () => {
      const path = join(folder, 'runner.pid');
      await mkdir(path);
      await writeFile(join(path, 'in the way'), '');
      await expect(writeRunnerPid(path, { pid: 7, startTime: '99' })).rejects.toThrow();
      expect(await readdir(folder)).toEqual(['runner.pid']);
    });
  });

  describe('programs', () => {
    it('are found on the path in order, and only if they can be run', async () => {
      const [first, second] = [join(folder, 'first'), join(folder, 'second')];
      for (const each of [first, second]) await mkdir(each);
      await writeFile(join(first, 'tool'), '', { mode: 0o644 });
      await mkdir(join(first, 'folder'));
      await writeFile(join(second, 'tool'), '', { mode: 0o755 });
      expect(await findProgram('tool', `relative::${first}:${second}`)).toBe(join(second, 'tool'));
      expect(await findProgram('folder', first)).toBeNull();
      expect(await findProgram('absent', `${first}:${second}`)).toBeNull();
    });

    it('are missing when nothing is configured or the file has gone', async () => {
      const message = 'Claude Code is not installed. Run `berth agents install claude`, or set CLAUDE_BIN.';
      for (const program of [null, join(folder, 'gone')]) {
        await expect(requireAgent('claude', program)).rejects.toMatchObject({
          code: 'agent-missing',
          message,
        });
      }
      await expect(requireAgent('claude', process.execPath)).resolves.toBeUndefined();
    });
  });
});
