/** The hostile agent looks for secrets in everything it can read. `node secrets.mjs <arguments.json> <report.json>`. */
import { lstatSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { found, searchMemory, unmask } from './memory.mjs';

const MAX_FILE_BYTES = 64 * 1024 * 1024;
const args = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const needles = unmask(args.masked);
const inMemory = unmask(args.inMemory);
const findings = [];
const report = { findings, files: 0, processes: [], memories: 0, readable: [], changed: [] };

const attempt = (action, fallback) => {
  try {
    return action();
  } catch {
    return fallback;
  }
};
const look = (where, bytes) => {
  for (const name of found(needles, bytes)) findings.push(`${name} in ${where}`);
};

/** What the system brings is only looked at for files younger than the test: nobody else could have put a secret there. */
function walk(folder, device) {
  for (const name of attempt(() => readdirSync(folder), [])) {
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
    if (path === '/proc' || path === args.own) continue;
    look(`the name ${path}`, Buffer.from(path));
    const stat = attempt(() => lstatSync(path), null);
    if (stat === null) continue;
    if (stat.isSymbolicLink()) look(path, Buffer.from(attempt(() => readlinkSync(path), '')));
    else if (stat.isDirectory()) walk(path, device);
    else if (stat.isFile()) {
      report.files += 1;
      const system = /^\/(usr|opt\/berth\/(programs|bin))\//.test(path);
      if (system && stat.mtimeMs > args.since) report.changed.push(path);
      if (!system && stat.size <= MAX_FILE_BYTES)
        look(
          path,
          attempt(() => readFileSync(path), Buffer.alloc(0)),
        );
    }
  }
}

function lookAtProcess(pid) {
  const folder = `/proc/${pid}`;
  report.processes.push(attempt(() => readFileSync(`${folder}/cmdline`, 'utf8').split('\0')[0], '?'));
  for (const file of [
    'environ',
    'cmdline',
    'comm',
    'maps',
    'mountinfo',
    'status',
    'stack',
    'syscall',
    'auxv',
  ]) {
    look(
      `${folder}/${file}`,
      attempt(() => readFileSync(`${folder}/${file}`), Buffer.alloc(0)),
    );
  }
  for (const link of [
    'cwd',
    'exe',
    ...attempt(() => readdirSync(`${folder}/fd`), []).map((fd) => `fd/${fd}`),
  ]) {
    look(`${folder}/${link}`, Buffer.from(attempt(() => readlinkSync(`${folder}/${link}`), '')));
  }
  if (pid !== String(process.pid)) {
    report.memories += attempt(() => {
      for (const name of searchMemory(pid, inMemory)) findings.push(`${name} in the memory of ${pid}`);
      return 1;
    }, 0);
  }
  // Another root or folder would be a way out of ours.
  for (const path of args.hostPaths) {
    for (const root of [`${folder}/root`, `${folder}/cwd`, `${folder}/cwd/../../../../../../..`]) {
      if (attempt(() => lstatSync(root + path), null) !== null) report.readable.push(root + path);
    }
  }
}

walk('/');
for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) lookAtProcess(pid);
for (const path of args.hostPaths)
  if (attempt(() => lstatSync(path), null) !== null) report.readable.push(path);
for (const file of ['cmdline', 'keys', 'net/unix', 'net/tcp', 'mounts', 'kallsyms', 'kmsg', 'kcore']) {
  look(
    `/proc/${file}`,
    attempt(() => readFileSync(`/proc/${file}`), Buffer.alloc(0)),
  );
}
writeFileSync(process.argv[3], JSON.stringify(report));
