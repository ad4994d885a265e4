import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RunnerFile } from '../contracts/runner.js';
import { messageOf } from '../kernel/errors.js';
import type { Ids } from '../kernel/ids.js';
import { HttpControlPlane } from './control-plane.js';
import { openTracer } from '../telemetry/open-tracer.js';
import { closeInheritedFiles } from './inherited-files.js';
import { readRunnerInput } from './input.js';
import { AttemptJournal } from './journal.js';
import { jsonLog } from './log.js';
import { readRunnerFile } from './runner-file.js';
import { BubblewrapSandbox } from './sandbox/bubblewrap.js';
import { OffSandbox } from './sandbox/off.js';
import type { Sandbox } from './sandbox/sandbox.js';
import { Supervisor, type EndReason } from './supervisor.js';
import { systemTimer } from './timer.js';
import { openWorkspace } from './workspace.js';

/** `node dist/runner/main.js <runner.json>`: the agent supervisor of one workspace. It runs outside the sandbox. */

/** Exit codes: an orphan ended by itself and may be started again; every other end was asked for or reported. */
const EXIT_CODES: Record<EndReason, number> = { stopped: 0, dismissed: 0, failed: 0, orphaned: 75 };
const EXIT_USAGE = 64;
/** kernel's ids load a package for version 7; these are never sorted. */
const ids: Ids = { next: () => randomUUID() };

async function openSandbox(file: RunnerFile): Promise<Sandbox> {
  const places = { ...file.directories, socketDirectory: file.socketDirectory };
  if (file.sandbox.mode === 'off') return OffSandbox.start(places);
  const forwarder = fileURLToPath(new URL('./inside/forwarder.js', import.meta.url));
  if (!existsSync(forwarder)) throw new Error(`${forwarder} is missing. Run \`npm run build\`.`);
  return new BubblewrapSandbox({ ...places, forwarder, bwrap: file.sandbox.bwrap });
}

async function main(path: string): Promise<number> {
  const file = readRunnerFile(path);
  const { cause, traceExport } = readRunnerInput();
  const log = jsonLog({ name: 'runner', workspaceId: file.workspaceId });
  const traces = await openTracer(traceExport, 'runner', log);
  const sandbox = await openSandbox(file);
  const controlPlane = await HttpControlPlane.create({
    internalUrl: file.internalUrl,
    token: file.runnerToken,
    runnerId: ids.next(),
    timer: systemTimer,
  });
  const supervisor = new Supervisor({
    controlPlane,
    open: (assignment) => openWorkspace({ file, assignment, sandbox, timer: systemTimer, ids, log }),
    journal: new AttemptJournal(file.directories.scratch),
    timer: systemTimer,
    log,
    tracer: traces.tracer,
    cause,
    pid: process.pid,
    orphanSeconds: file.orphanSeconds,
    turnTimeoutSeconds: file.turnTimeoutSeconds,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => supervisor.end('stopped'));
  const reason = await supervisor.run();
  log.info({ reason }, 'runner ended');
  controlPlane.close();
  await traces.close();
  await sandbox.close();
  return EXIT_CODES[reason];
}

closeInheritedFiles();
const path = process.argv[2];
if (path === undefined) {
  process.stderr.write('usage: node dist/runner/main.js <runner.json>\n');
  process.exit(EXIT_USAGE);
}
main(path).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  },
);
