import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  agentPackages,
  detectPlatform,
  findAgentPrograms,
  installDirectory,
  nativePackage,
  programInPrefix,
} from './agent-programs.js';
import type { AgentName, Platform } from './agent-programs.js';

const glibc: Platform = { os: 'linux', arch: 'x64', libc: 'glibc' };
const musl: Platform = { ...glibc, libc: 'musl' };
const codexNative = 'node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex';
const claudeNative = 'node_modules/@anthropic-ai/claude-code-linux-x64/claude';
const elf = Buffer.from('7f454c4602010100', 'hex');

let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'berth-agent-programs-')));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, content: string | Buffer = '#!/bin/sh\n', mode = 0o755): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, content);
  await chmod(full, mode);
  return full;
}

/** What `npm install` without scripts leaves: a launcher or stub, `.bin`, and the platform package. */
async function npmTree(prefix: string, agent: AgentName, native: string | null): Promise<void> {
  const { package: name, version } = agentPackages[agent];
  const launcher = agent === 'claude' ? 'bin/claude.exe' : 'bin/codex.js';
  await write(join(prefix, 'node_modules', name, 'package.json'), JSON.stringify({ name, version }));
  await write(
    join(prefix, 'node_modules', name, launcher),
    'echo "Error: native binary not installed." >&2\n',
  );
  await mkdir(join(root, prefix, 'node_modules/.bin'), { recursive: true });
  await symlink(join('..', name, launcher), join(root, prefix, 'node_modules/.bin', agent));
  if (native !== null) await write(join(prefix, native), elf);
}

const find = (options: { claudeBin?: string; codexBin?: string; path?: string; platform?: Platform }) =>
  findAgentPrograms({ dataDir: join(root, 'data'), path: '', platform: glibc, ...options });

describe('native packages', () => {
  it.each([
    ['claude', glibc, '@anthropic-ai/claude-code-linux-x64', 'claude'],
    ['claude', musl, '@anthropic-ai/claude-code-linux-x64-musl', 'claude'],
    [
      'claude',
      { os: 'darwin', arch: 'arm64', libc: null },
      '@anthropic-ai/claude-code-darwin-arm64',
      'claude',
    ],
    ['codex', glibc, '@openai/codex-linux-x64', 'vendor/x86_64-unknown-linux-musl/bin/codex'],
    ['codex', musl, '@openai/codex-linux-x64', 'vendor/x86_64-unknown-linux-musl/bin/codex'],
    [
      'codex',
      { os: 'linux', arch: 'arm64', libc: 'glibc' },
      '@openai/codex-linux-arm64',
      'vendor/aarch64-unknown-linux-musl/bin/codex',
    ],
  ] as [AgentName, Platform, string, string][])('%s on %j is %s', (agent, platform, name, file) => {
    expect(nativePackage(agent, platform)).toEqual({ name, file });
  });

  it('knows no package for a processor nobody builds for', () => {
    expect(nativePackage('claude', { os: 'linux', arch: 's390x', libc: 'glibc' })).toBeNull();
  });

  it('tells this machine', () => {
    expect(detectPlatform()).toMatchObject({ os: process.platform, arch: process.arch });
  });
});

describe('the order', () => {
  it('finds nothing where nothing is', async () => {
    expect(await find({})).toEqual({ claude: null, codex: null });
  });

  it('takes the configured program, then the installed one, then PATH', async () => {
    const configured = await write('own/claude');
    const onPath = await write('bin/claude');
    const path = join(root, 'bin');
    expect((await find({ path })).claude).toEqual({ path: onPath, source: 'path' });
    await npmTree(`data/agents/claude/${agentPackages.claude.version}`, 'claude', claudeNative);
    expect((await find({ path })).claude).toEqual({
      path: join(installDirectory(join(root, 'data'), 'claude'), claudeNative),
      source: 'installed',
      version: agentPackages.claude.version,
    });
    expect((await find({ path, claudeBin: configured })).claude).toEqual({
      path: configured,
      source: 'configured',
    });
  });

  it('takes an empty variable for an absent one', async () => {
    expect((await find({ claudeBin: '' })).claude).toBeNull();
  });

  it('ignores an installed version that is not the pinned one', async () => {
    await npmTree('data/agents/codex/0.0.1', 'codex', codexNative);
    expect((await find({})).codex).toBeNull();
  });

  it('never looks in the current folder, which a cloned repository could fill', async () => {
    await write('claude');
    const before = process.cwd();
    process.chdir(root);
    try {
      expect((await find({ path: ':.:bin' })).claude).toBeNull();
    } finally {
      process.chdir(before);
    }
  });

  it('goes on along PATH past what cannot be started', async () => {
    await write('first/codex', 'text', 0o644);
    await mkdir(join(root, 'second/codex'), { recursive: true });
    const good = await write('third/codex');
    const path = ['first', 'second', 'third'].map((name) => join(root, name)).join(':');
    expect((await find({ path })).codex?.path).toBe(good);
  });
});

describe('launchers of npm', () => {
  it.each([
    ['claude', claudeNative],
    ['codex', codexNative],
  ] as [AgentName, string][])(
    'follows the link and the launcher of %s to the native program',
    async (agent, native) => {
      await npmTree('global', agent, native);
      const variable = agent === 'claude' ? 'claudeBin' : 'codexBin';
      const found = await find({ [variable]: join(root, 'global/node_modules/.bin', agent) });
      expect(found[agent]).toEqual({
        path: join(root, 'global', native),
        source: 'configured',
        version: agentPackages[agent].version,
      });
    },
  );

  it('finds a platform package nested in the launcher package', async () => {
    await npmTree('global', 'codex', `node_modules/@openai/codex/${codexNative}`);
    const found = await find({ path: join(root, 'global/node_modules/.bin') });
    expect(found.codex?.path).toBe(join(root, 'global/node_modules/@openai/codex', codexNative));
  });

  it("takes Codex's own native program as it is, with the version of its package", async () => {
    const native = await write(`x/${codexNative}`, elf);
    await write(
      'x/node_modules/@openai/codex-linux-x64/package.json',
      JSON.stringify({ name: '@openai/codex', version: '0.169.0-linux-x64' }),
    );
    expect((await find({ codexBin: native })).codex).toEqual({
      path: native,
      source: 'configured',
      version: '0.169.0',
    });
  });

  it('takes the binary that the postinstall of claude put in place of the stub', async () => {
    await npmTree('global', 'claude', null);
    const placed = await write('global/node_modules/@anthropic-ai/claude-code/bin/claude.exe', elf);
    expect((await find({ path: join(root, 'global/node_modules/.bin') })).claude?.path).toBe(placed);
  });

  it('does not take a stub without its native package for a program', async () => {
    await npmTree('global', 'claude', null);
    expect((await find({ path: join(root, 'global/node_modules/.bin') })).claude).toBeNull();
  });

  it('does not start a glibc program on musl', async () => {
    await npmTree('p', 'claude', claudeNative);
    expect(await programInPrefix(join(root, 'p'), 'claude', musl)).toBeNull();
    expect(await programInPrefix(join(root, 'p'), 'claude', glibc)).toBe(join(root, 'p', claudeNative));
  });
});

describe('a wrong configuration', () => {
  it('names the variable when there is no such file', async () => {
    await expect(find({ codexBin: join(root, 'nowhere') })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/^CODEX_BIN is .*nowhere.*berth agents install codex/) as string,
    });
  });

  it('names the variable when the file cannot be started', async () => {
    const text = await write('notes.txt', 'text', 0o644);
    await expect(find({ claudeBin: text })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('CLAUDE_BIN') as string,
    });
  });

  it('names the variable when the launcher has no native program', async () => {
    await npmTree('global', 'codex', null);
    await expect(find({ codexBin: join(root, 'global/node_modules/.bin/codex') })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('without its native program') as string,
    });
  });
});
