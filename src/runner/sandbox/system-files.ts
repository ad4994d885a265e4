import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** The user inside the sandbox. Not root: agents refuse or change what they do as root, and so do package managers. */
export const INNER_ID = 1000;
export const INNER_HOME = '/home/agent';

/** What of the host's /etc a program needs to link, to verify certificates and to name time zones. Nothing with names or secrets of the host. */
const HOST_ETC = [
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'pki/ca-trust',
  'pki/tls/certs',
  'protocols',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'terminfo',
];

const ROOT_FOLDERS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/** Files of /etc made by hand: the host's users, name servers and hosts are nobody's business inside. */
const OWN_ETC: Record<string, string> = {
  passwd: `agent:x:${INNER_ID}:${INNER_ID}:Berth agent:${INNER_HOME}:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n`,
  group: `agent:x:${INNER_ID}:\nnogroup:x:65534:\n`,
  hosts: '127.0.0.1 localhost\n::1 localhost\n',
  'resolv.conf': 'nameserver 127.0.0.1\noptions attempts:1 timeout:1\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  // The owner of a bound repository may be a user that does not exist inside. Here, and not in the environment, since git empties
  // GIT_CONFIG_COUNT for the programs it starts itself (upload-pack, submodules).
  gitconfig: '[safe]\n\tdirectory = *\n',
};

/** Parts of /proc that tell of the machine's memory and keys, readable for the same reason. */
const PROC_HIDDEN = [
  'kallsyms',
  'kcore',
  'keys',
  'kmsg',
  'kpagecgroup',
  'kpagecount',
  'kpageflags',
  'latency_stats',
  'pagetypeinfo',
  'sched_debug',
  'slabinfo',
  'timer_list',
  'vmallocinfo',
];

/**
 * Parts of /proc that belong to the whole machine and could be written. When the runner is root, the user inside is root's number outside, and the kernel lets the
 * owner of such a file write it without any capability: `kernel.core_pattern`, written from inside, would start a program of the agent as root on the host (tried).
 * Found by looking, since each kernel and driver brings its own (`asound`, `dynamic_debug`, …).
 */
function writableOfMachine(): string[] {
  return readdirSync('/proc').filter((name) => {
    if (/^\d+$/.test(name)) return false;
    try {
      const found = lstatSync(`/proc/${name}`);
      return found.isDirectory() || (found.isFile() && (found.mode & 0o222) !== 0);
    } catch {
      // A driver went away between two looks, and its entry with it.
      return false;
    }
  });
}

/**
 * bwrap arguments that make the machine's part of /proc read-only or empty (`empty` is an empty file of the host). They must follow
 * `--proc /proc`. Process 1 is bubblewrap's own and no business of the agent, which could write its memory through `/proc/1/mem` and live on in it.
 */
export function procArguments(empty: string): string[] {
  const readOnly = writableOfMachine().flatMap((name) => ['--ro-bind-try', `/proc/${name}`, `/proc/${name}`]);
  const hidden = PROC_HIDDEN.filter((name) => existsSync(`/proc/${name}`));
  return [
    ...readOnly,
    ...hidden.flatMap((name) => ['--ro-bind', empty, `/proc/${name}`]),
    ...['--tmpfs', '/proc/1', '--remount-ro', '/proc/1'],
  ];
}

/** Writes our own /etc files below `folder` and gives name -> path. By rename, since a running sandbox may hold the old file. */
export function writeEtc(folder: string): Map<string, string> {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const paths = new Map<string, string>();
  for (const [name, text] of Object.entries(OWN_ETC)) {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, text, { mode: 0o644 });
    renameSync(`${path}.new`, path);
    paths.set(name, path);
  }
  return paths;
}

/** bwrap arguments for the read-only system: /usr, the root folders as the host has them (links on most systems), and the part of /etc above. */
export function systemArguments(etc: Map<string, string>): string[] {
  const args = ['--ro-bind', '/usr', '/usr'];
  for (const name of ROOT_FOLDERS) {
    const path = `/${name}`;
    if (!existsSync(path)) continue;
    if (lstatSync(path).isSymbolicLink()) args.push('--symlink', readlinkSync(path), path);
    else args.push('--ro-bind', path, path);
  }
  for (const name of HOST_ETC) args.push('--ro-bind-try', `/etc/${name}`, `/etc/${name}`);
  for (const [name, path] of etc) args.push('--ro-bind', path, `/etc/${name}`);
  return args;
}
