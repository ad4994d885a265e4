/**
 * The hostile agent tries to write outside its folders and to leave its namespaces. What would change the machine is only opened, not written.
 * `node escape.mjs <arguments.json> <report.json>`.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';

const args = JSON.parse(readFileSync(process.argv[2], 'utf8'));

/** `done`, or the error's code. */
const outcome = (action) => {
  try {
    action();
    return 'done';
  } catch (error) {
    return error.code ?? String(error);
  }
};
const run = (command, ...words) => {
  const { status, error } = spawnSync(command, words, {
    encoding: 'utf8',
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  return error?.code ?? (status === 0 ? 'done' : 'refused');
};

const report = { writes: {}, opens: {}, commands: {} };
for (const folder of args.folders) {
  report.writes[`${folder}: a new file`] = outcome(() =>
    writeFileSync(`${folder}/hostile-marker`, 'hostile'),
  );
  report.writes[`${folder}: a new folder`] = outcome(() => mkdirSync(`${folder}/hostile-folder`));
  report.writes[`${folder}: its mode`] = outcome(() => chmodSync(folder, 0o777));
  report.writes[`${folder}: another name`] = outcome(() => renameSync(folder, `${folder}.hostile`));
}
for (const file of args.files) {
  report.writes[`${file}: its text`] = outcome(() => closeSync(openSync(file, 'r+')));
  report.writes[`${file}: gone`] = outcome(() => rmSync(file));
  report.writes[`${file}: a second name`] = outcome(() => linkSync(file, '/workspace/.hostile-link'));
}
const kernel = [
  '/proc/sys/kernel/core_pattern',
  '/proc/sys/kernel/modprobe',
  '/proc/sysrq-trigger',
  '/proc/sys/fs/binfmt_misc/register',
  '/proc/1/mem',
  '/proc/1/root',
  '/dev/mem',
  '/dev/kmsg',
  '/dev/vda',
  '/dev/sda',
  '/sys/kernel/uevent_helper',
  '/dev/kvm',
  '/dev/fuse',
  '/dev/vsock',
];
for (const file of kernel) report.opens[file] = outcome(() => closeSync(openSync(file, 'r+')));

const bwrap = args.bwrap;
report.commands.mount = run('mount', '-t', 'tmpfs', 'tmpfs', '/tmp');
report.commands.remount = run('mount', '-o', 'remount,rw', '/usr');
report.commands['proc of its own'] = run('mount', '-t', 'proc', 'proc', '/tmp');
report.commands['user namespace'] = run('unshare', '--user', '--map-root-user', 'true');
report.commands['mount namespace'] = run('unshare', '--mount', 'true');
report.commands['network namespace'] = run('unshare', '--net', 'true');
report.commands['nested sandbox'] = run(
  bwrap,
  '--unshare-user',
  '--ro-bind',
  '/',
  '/',
  '--dev',
  '/dev',
  'true',
);
report.commands['namespaces of process 1'] = run('nsenter', '--target', '1', '--all', 'true');
report.commands.chroot = run('chroot', '/workspace', 'true');
report.commands.node = run('mknod', '/workspace/.hostile-disk', 'b', '254', '0');
report.commands['become root'] = run('setpriv', '--reuid', '0', 'true');
// PTRACE_ATTACH of process 1 (system call 101 on x64, 117 on arm64).
const ptrace = process.arch === 'arm64' ? 117 : 101;
report.commands['trace process 1'] = run('perl', '-e', `exit(syscall(${ptrace}, 16, 1, 0, 0) == 0 ? 0 : 1)`);
for (const path of args.links) {
  const name = `/workspace/.hostile-link-${Object.keys(report.writes).length}`;
  symlinkSync(path, name);
  report.writes[`${path} through a link`] = outcome(
    () => readFileSync(name).length + readdirSync(name).length,
  );
  rmSync(name);
}
writeFileSync(process.argv[3], JSON.stringify(report));
