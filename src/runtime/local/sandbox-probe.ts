import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { findProgram } from './programs.js';

/** Whether bubblewrap can make a sandbox here. `forbidden`: it is installed, but the kernel or the container says no. */
export type SandboxProbe =
  | { state: 'working'; bwrap: string }
  | { state: 'missing' }
  | { state: 'forbidden'; bwrap: string; reason: string };

/** The same kernel features the runner's sandbox needs: all namespaces, another user inside, own /proc, /dev and /tmp. */
const TRIAL = [
  ...['--unshare-all', '--die-with-parent', '--new-session', '--uid', '1000', '--gid', '1000'],
  ...['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', 'true'],
];
/** Where `true` is, whatever PATH says: a folder of links below /tmp would not be there inside. */
const SYSTEM_FOLDERS = '/usr/bin:/bin';
const TRIAL_TIMEOUT_MS = 10_000;
const MAX_REASON_LENGTH = 300;

/** Finds `bwrap` on `path` and tries it once. Never throws. */
export async function probeSandbox(path: string): Promise<SandboxProbe> {
  const bwrap = await findProgram('bwrap', path);
  if (bwrap === null) return { state: 'missing' };
  return new Promise((resolve) => {
    execFile(
      bwrap,
      TRIAL,
      { env: { PATH: SYSTEM_FOLDERS }, cwd: '/', timeout: TRIAL_TIMEOUT_MS, killSignal: 'SIGKILL' },
      (error, _stdout, stderr) => {
        if (error === null) {
          resolve({ state: 'working', bwrap });
          return;
        }
        const said = stderr.trim().split('\n').at(-1) ?? '';
        const reason = said === '' ? `it ended with ${error.code ?? error.signal ?? 'an error'}` : said;
        resolve({ state: 'forbidden', bwrap, reason: reason.slice(0, MAX_REASON_LENGTH) });
      },
    );
  });
}

/** Reads a kernel setting by its sysctl name; null when this kernel does not have it. */
export type ReadSetting = (name: string) => string | null;

const readSysctl: ReadSetting = (name) => {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return null;
  }
};

/** Settings that forbid user namespaces: name, the value that forbids, the value that allows. */
const SETTINGS = [
  ['kernel.unprivileged_userns_clone', '0', '1'],
  ['kernel.apparmor_restrict_unprivileged_userns', '1', '0'],
  ['user.max_user_namespaces', '0', '15000'],
] as const;

/** What a person can do about a sandbox that does not work; empty when it works. */
export function sandboxAdvice(probe: SandboxProbe, read: ReadSetting = readSysctl): string {
  const orElse = 'or set BERTH_SANDBOX=preferred (or off) to run agents without a sandbox.';
  if (probe.state === 'working') return '';
  if (probe.state === 'missing') {
    return `Agents run in a sandbox, and bubblewrap is not installed. Install bubblewrap (Debian/Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap) and try again, ${orElse}`;
  }
  const found = SETTINGS.find(([name, forbids]) => read(name) === forbids);
  const hint =
    found === undefined
      ? 'In a container, allow user namespaces (Docker: --security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor=unconfined)'
      : `Allow user namespaces (sysctl -w ${found[0]}=${found[2]})`;
  return `Agents run in a sandbox, and bubblewrap is installed but may not make one here: ${probe.reason} ${hint} and try again, ${orElse}`;
}
