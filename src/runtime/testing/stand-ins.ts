import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the stand-in runner does; read by it when it starts. */
export interface RunnerPlan {
  /** SIGTERM is not obeyed. */
  ignoreTerm?: boolean;
  /** Starts processes that ignore SIGTERM: a child and a grandchild in a session of their own, and a daemon that left both. */
  family?: boolean;
  /** Ends at once. */
  exit?: boolean;
}

/** What the stand-in proxy does; read by it at each start. */
export interface ProxyPlan {
  /** Says no to each `open`. */
  refuse?: boolean;
  /** Never answers an `open` or a `close`. */
  hang?: boolean;
}

/**
 * A runner reduced to what the runtime can see of one: it reads its file, leaves marks in its scratch folder, has processes of its own and
 * ends on SIGTERM.
 */
const RUNNER = `
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const planFile = join(import.meta.dirname, 'plan.json');
const plan = existsSync(planFile) ? JSON.parse(readFileSync(planFile, 'utf8')) : {};
const mark = (name, text) => appendFileSync(join(file.directories.scratch, name), text + '\\n');
writeFileSync(join(file.directories.scratch, 'environment.json'), JSON.stringify(process.env));
process.on('SIGTERM', () => {
  mark('terminated', String(process.pid));
  if (!plan.ignoreTerm) process.exit(0);
});
if (plan.family) {
  const script = [
    'trap "" TERM HUP',
    'echo $$ > "$1/child.pid"',
    'sh -c \\'trap "" TERM HUP; echo $$ > "$1/grandchild.pid"; while :; do sleep 1000; done\\' sh "$1" &',
    '( setsid sh -c \\'trap "" TERM HUP; echo $$ > "$1/daemon.pid"; while :; do sleep 1000; done\\' sh "$1" & )',
    'while :; do sleep 1000; done',
  ].join('\\n');
  spawn('sh', ['-c', script, 'sh', file.directories.scratch], { cwd: file.directories.tree, detached: true, stdio: 'ignore' });
}
console.log('runner speaks');
mark('started', String(process.pid));
if (plan.exit) process.exit(3);
setInterval(() => undefined, 1_000_000);
`;

/** A proxy reduced to its parent side: each route is a socket that tells what it was opened with (the token as a digest). */
const PROXY = `
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const planFile = join(import.meta.dirname, 'plan.json');
const plan = existsSync(planFile) ? JSON.parse(readFileSync(planFile, 'utf8')) : {};
const note = (what) => appendFileSync(join(import.meta.dirname, 'notes'), what + '\\n');
const servers = new Map();
let configuration = null;

function close(id) {
  servers.get(id)?.close();
  servers.delete(id);
}
function open(message) {
  close(message.workspaceId);
  rmSync(message.socketPath, { force: true });
  const { workspaceId, placeholder, git } = message;
  const digest = createHash('sha256').update(message.proxyToken).digest('hex');
  const told = JSON.stringify({ pid: process.pid, workspaceId, placeholder, git, digest, configuration });
  const server = createServer((socket) => socket.end(told));
  servers.set(workspaceId, server);
  server.listen(message.socketPath, () => process.send({ type: 'done', requestId: message.requestId }));
}
process.on('disconnect', () => process.exit(0));
process.on('message', (message) => {
  if (message.type === 'configure') {
    configuration = message;
    process.stderr.write(JSON.stringify({ level: 30, time: 1, pid: 1, msg: 'stand-in configured' }) + '\\n');
    process.send({ type: 'ready' });
    return;
  }
  note(message.type + ' ' + message.workspaceId);
  if (plan.hang) return;
  if (plan.refuse && message.type === 'open') {
    process.send({ type: 'failed', requestId: message.requestId, message: 'told to refuse' });
    return;
  }
  if (message.type === 'open') return open(message);
  close(message.workspaceId);
  process.send({ type: 'done', requestId: message.requestId });
});
`;

/** Where the stand-ins were written. */
export interface StandIns {
  runnerEntry: string;
  proxyEntry: string;
  planRunner(plan: RunnerPlan): Promise<void>;
  planProxy(plan: ProxyPlan): Promise<void>;
  /** One line per request that a stand-in proxy received. */
  proxyNotes: string;
}

/** Writes the stand-ins below `directory`, laid out as Berth's own compiled programs are. */
export async function writeStandIns(directory: string): Promise<StandIns> {
  const folders = { runner: join(directory, 'dist', 'runner'), proxy: join(directory, 'dist', 'proxy') };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
  const runnerEntry = join(folders.runner, 'main.mjs');
  const proxyEntry = join(folders.proxy, 'main.mjs');
  await writeFile(runnerEntry, RUNNER);
  await writeFile(proxyEntry, PROXY);
  return {
    runnerEntry,
    proxyEntry,
    planRunner: (plan) => writeFile(join(folders.runner, 'plan.json'), JSON.stringify(plan)),
    planProxy: (plan) => writeFile(join(folders.proxy, 'plan.json'), JSON.stringify(plan)),
    proxyNotes: join(folders.proxy, 'notes'),
  };
}
