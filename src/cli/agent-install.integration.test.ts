import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  realpath,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { agentPackages, detectPlatform, installDirectory, nativePackage } from '../config/agent-programs.js';
import type { LocalConfig } from '../config/cli-config.js';
import { systemClock } from '../kernel/index.js';
import { NpmRegistry } from './testing/npm-registry.js';
import { testCli } from './testing/test-cli.js';
import type { TestCli } from './testing/test-cli.js';

const claude = agentPackages.claude;
const native = nativePackage('claude', detectPlatform());

let root: string;
let registry: NpmRegistry;
let registryUrl: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'berth-agent-install-')));
  registry = new NpmRegistry(join(root, 'registry'));
  registryUrl = await registry.listen();
});
afterEach(async () => {
  await registry.close();
  await rm(root, { recursive: true, force: true });
});

/** The command with the real npm, a cache of its own and the test's registry. */
function command(changes: Partial<LocalConfig> = {}, environment: Record<string, string> = {}): TestCli {
  const path = changes.path ?? `${dirname(process.execPath)}:/usr/bin:/bin`;
  const local: LocalConfig = {
    dataDir: join(root, 'data'),
    claudeBin: undefined,
    codexBin: undefined,
    path,
    noColor: true,
    dumbTerminal: false,
    setupToken: null,
    keyVariable: null,
    npmEnvironment: {
      PATH: path,
      HOME: root,
      npm_config_cache: join(root, 'cache'),
      npm_config_registry: registryUrl,
      npm_config_fetch_retries: '0',
      ...environment,
    },
    ...changes,
  };
  return testCli('http://127.0.0.1:2', 'berth_k', { local, clock: systemClock });
}

/** Publishes what stands for Claude: a launcher whose scripts must not run, and a native program that says what the test wants. */
async function publishClaude(program = `echo '${claude.version} (Claude Code)'`): Promise<void> {
  if (native === null) throw new Error('No agent is published for this platform.');
  await registry.publish({
    name: claude.package,
    version: claude.version,
    manifest: {
      bin: { claude: 'bin/claude.exe' },
      engines: { node: '>=99' },
      scripts: { postinstall: 'touch postinstall-ran' },
      optionalDependencies: { [native.name]: claude.version },
    },
    files: { 'bin/claude.exe': 'echo stub >&2; exit 1\n' },
  });
  await registry.publish({
    name: native.name,
    version: claude.version,
    files: { [native.file]: `#!/bin/sh\n${program}\n` },
  });
}

const target = () => installDirectory(join(root, 'data'), 'claude');
const programPath = () => join(target(), 'node_modules', native?.name ?? '', native?.file ?? '');

describe('install', () => {
  it('fetches the pinned version, whole, without running scripts', async () => {
    await publishClaude();
    // A user's npmrc that leaves out optional packages or is strict about engines must not break it.
    const cli = command({}, { npm_config_omit: 'optional', npm_config_engine_strict: 'true' });
    expect(await cli.run('agents', 'install', 'claude')).toBe(0);
    expect(cli.out).toMatch(
      new RegExp(`^Claude ${claude.version} installed in \\d+ s: ${programPath()}\\n$`),
    );
    expect(cli.err).toContain('npm http fetch');
    expect(await readdir(dirname(target()))).toEqual([claude.version]);
    expect(await readdir(join(target(), 'node_modules', claude.package))).not.toContain('postinstall-ran');
    expect((await stat(join(root, 'data'))).mode & 0o777).toBe(0o700);
  });

  it('does nothing the second time, and all again with --force', async () => {
    await publishClaude();
    expect(await command().run('agents', 'install', 'claude')).toBe(0);
    registry.requests.length = 0;
    const second = command();
    expect(await second.run('agents', 'install', 'claude')).toBe(0);
    expect(second.out).toContain('is installed already');
    expect(registry.requests).toEqual([]);
    await writeFile(join(target(), 'marker'), '');
    expect(await command().run('agents', 'install', 'claude', '--force')).toBe(0);
    expect(await readdir(target())).not.toContain('marker');
    expect(await readdir(dirname(target()))).toEqual([claude.version]);
  });

  it('mends an installed program that no longer starts', async () => {
    await publishClaude();
    expect(await command().run('agents', 'install', 'claude')).toBe(0);
    await chmod(programPath(), 0o644);
    const cli = command();
    expect(await cli.run('agents', 'install', 'claude')).toBe(0);
    expect(cli.out).toContain('installed in');
    expect((await stat(programPath())).mode & 0o111).not.toBe(0);
  });

  it('of two at a time gives both a working program', async () => {
    await publishClaude();
    const runs = [command(), command()];
    expect(await Promise.all(runs.map((cli) => cli.run('agents', 'install', 'claude')))).toEqual([0, 0]);
    expect(await readdir(dirname(target()))).toEqual([claude.version]);
  });

  it('removes what a killed install left, not what one is filling now', async () => {
    await publishClaude();
    const parent = dirname(target());
    await mkdir(join(parent, '.installing-old'), { recursive: true });
    await mkdir(join(parent, '.installing-new'));
    const longAgo = new Date(Date.now() - 7_200_000);
    await utimes(join(parent, '.installing-old'), longAgo, longAgo);
    expect(await command().run('agents', 'install', 'claude')).toBe(0);
    expect((await readdir(parent)).sort()).toEqual(['.installing-new', claude.version]);
  });

  it('leaves a configured program alone, unless forced', async () => {
    await publishClaude();
    const cli = command({ claudeBin: '/opt/claude' });
    expect(await cli.run('agents', 'install', 'claude')).toBe(0);
    expect(cli.out).toBe(
      'Claude: CLAUDE_BIN is set to /opt/claude, which is used. Nothing installed; --force installs all the same.\n',
    );
    expect(registry.requests).toEqual([]);
    expect(await cli.run('agents', 'install', 'claude', '--force')).toBe(0);
    expect(await readdir(target())).toContain('node_modules');
  });

  it("starts the program without the caller's home and secrets", async () => {
    await publishClaude(`env > ${join(root, 'environment')}; echo '${claude.version}'`);
    expect(await command({}, { SOME_TOKEN: 'SECRET' }).run('agents', 'install', 'claude')).toBe(0);
    const environment = await readFile(join(root, 'environment'), 'utf8');
    expect(environment).not.toContain('SECRET');
    expect(environment).toMatch(/^HOME=.*berth-version-/m);
  });
});

describe('a failed install', () => {
  const nothingLeft = async () => expect(await readdir(dirname(target())).catch(() => [])).toEqual([]);

  it('says that npm is missing', async () => {
    const cli = command({ path: join(root, 'empty') });
    expect(await cli.run('agents', 'install', 'claude')).toBe(1);
    expect(cli.err).toContain('npm was not found on PATH. Install npm');
    await nothingLeft();
  });

  it('says that the registry cannot be reached', async () => {
    const cli = command({}, { npm_config_registry: 'http://127.0.0.1:2' });
    expect(await cli.run('agents', 'install', 'claude')).toBe(1);
    expect(cli.err).toContain('npm cannot reach its registry (ECONNREFUSED)');
    await nothingLeft();
  });

  it('says that the registry does not have it', async () => {
    const cli = command();
    expect(await cli.run('agents', 'install', 'claude')).toBe(1);
    expect(cli.err).toContain(`npm's registry does not have ${claude.package}@${claude.version} (E404)`);
    await nothingLeft();
  });

  it('says that what came does not start', async () => {
    await publishClaude('exit 1');
    const cli = command();
    expect(await cli.run('agents', 'install', 'claude')).toBe(1);
    expect(cli.err).toContain('there is no program in it that starts');
    await nothingLeft();
  });
});

describe('list', () => {
  it('shows each program, where it comes from and what is missing', async () => {
    await publishClaude();
    expect(await command().run('agents', 'install', 'claude')).toBe(0);
    const cli = command();
    expect(await cli.run('agents', 'list')).toBe(0);
    const lines = cli.out.split('\n');
    expect(lines[0]).toMatch(/^AGENT +VERSION +SOURCE +PATH +SIZE$/);
    expect(lines[1]).toMatch(new RegExp(`^claude +${claude.version} +installed +${programPath()} +0 MB$`));
    expect(lines[2]).toMatch(/^codex +- +missing +run "berth agents install codex" +-$/);
  });

  it('asks a program on PATH for its version, and follows links', async () => {
    const program = join(root, 'real-codex');
    await writeFile(program, "#!/bin/sh\necho 'codex-cli 0.9.1'\n");
    await chmod(program, 0o755);
    await mkdir(join(root, 'bin'));
    await symlink(program, join(root, 'bin/codex'));
    const cli = command({ path: `${join(root, 'bin')}:/usr/bin:/bin` });
    expect(await cli.run('agents', 'list', '--json')).toBe(0);
    expect(JSON.parse(cli.out)).toMatchObject([
      { agent: 'claude' },
      { agent: 'codex', version: '0.9.1', source: 'path', path: program },
    ]);
  });
});
