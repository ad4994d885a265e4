/**
 * What `npm test` and `npm run trust` need before Jest runs, on a bare machine: the system packages the tests use (installed where that is allowed: root on Debian or Ubuntu; else
 * it says which are missing), the build, and the pinned agents.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
/** Program that tells whether the package is there -> Debian's name of the package. */
const SYSTEM_PACKAGES = { bwrap: 'bubblewrap', git: 'git', curl: 'curl', 'redis-server': 'redis-server' };

/** Prepares everything; answers the environment of the tests. Ends the process when something is missing. */
export async function prepare() {
  process.chdir(root);
  installSystemPackages();
  run('npm', ['run', '-s', 'build']);
  return findAgents();
}

/** Runs Jest and answers its exit code. */
export function jest(words, environment) {
  return status(process.execPath, ['node_modules/jest/bin/jest.js', ...words], {
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
    ...environment,
  });
}

/** Runs a command; ends this process with its exit code when that is not 0. */
export function run(command, words, environment = {}) {
  const code = status(command, words, environment);
  if (code !== 0) process.exit(code);
}

function status(command, words, environment) {
  const env = { ...process.env, ...environment };
  const { status: code, error } = spawnSync(command, words, { stdio: 'inherit', env });
  if (error) fail(`${command} could not be started: ${error.message}`);
  return code ?? 1;
}

function installSystemPackages() {
  const missing = Object.entries(SYSTEM_PACKAGES)
    .filter(([program]) => !isOnPath(program))
    .map(([, name]) => name);
  if (missing.length === 0) return;
  const advice = `apt-get install -y ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !isDebian())
    fail(
      `The tests need the system packages ${missing.join(', ')}. Install them first, for example: sudo ${advice}`,
    );
  console.log(`Installing ${missing.join(', ')} …`);
  const environment = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], environment);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], environment);
}

/** CLAUDE_BIN and CODEX_BIN for the tests: as given, else as `berth agents install` put them. */
async function findAgents() {
  const { findAgentPrograms } = await import('../dist/config/index.js');
  const { CLAUDE_BIN, CODEX_BIN, PATH = '' } = process.env;
  const options = {
    dataDir: process.env.BERTH_DATA_DIR ?? '.berth',
    claudeBin: CLAUDE_BIN,
    codexBin: CODEX_BIN,
    path: '',
  };
  let found = await findAgentPrograms(options);
  const missing = Object.entries(found)
    .filter(([, program]) => !program)
    .map(([agent]) => agent);
  if (missing.length > 0) {
    run(process.execPath, ['dist/cli/main.js', 'agents', 'install', ...missing]);
    found = await findAgentPrograms({ ...options, path: PATH });
  }
  return { CLAUDE_BIN: found.claude.path, CODEX_BIN: found.codex.path };
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function isDebian() {
  return (
    existsSync('/etc/os-release') &&
    /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
  );
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
