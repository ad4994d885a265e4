import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { MessageView } from '../../../src/contracts/index.js';
import type { ModelEmulator } from '../../emulators/emulator.js';
import { until } from '../../emulators/until.js';
import { familyOf, runnerOf, type ProcessName } from './processes.js';
import type { TestSystem } from './system.js';

/** Turns that stand still at a known place until a test lets them go on. */

const DEADLINE_SECONDS = 30;

/** A turn that stands in a command of the agent: the command waits for a file. */
export interface GatedTurn {
  message: MessageView;
  /** The file appears: the command ends, and the turn goes on. */
  open(): Promise<void>;
  /** How often the command was started. */
  timesRun(): Promise<number>;
}

/** Starts a gated turn, and waits until its command runs. `name` tells the gates of one workspace apart. */
export async function startGatedTurn(
  system: Pick<TestSystem, 'api' | 'treeOf'>,
  workspaceId: string,
  name = 'gate',
): Promise<GatedTurn> {
  const tree = system.treeOf(workspaceId);
  const [ran, go] = [`${name}-ran.txt`, `${name}-go.txt`];
  const message = await system.api.send(
    workspaceId,
    `run echo ran >> ${ran}; until [ -e ${go} ]; do sleep 0.05; done; echo the gate is open`,
  );
  // That the file is there would be too early: the shell opens it before `echo` writes, and what is killed next may fall between.
  const hasRun = (): boolean =>
    existsSync(path.join(tree, ran)) && readFileSync(path.join(tree, ran)).length > 0;
  await until('the command runs', hasRun, DEADLINE_SECONDS);
  return {
    message,
    open: () => writeFile(path.join(tree, go), ''),
    timesRun: async () => (await readFile(path.join(tree, ran), 'utf8')).trimEnd().split('\n').length,
  };
}

/** A turn that stands in the model's answer: its first piece has been told, and the next waits. */
export interface SlowTurn {
  message: MessageView;
  /** What it says in the end. */
  answer: string;
  /** Waits until the model is asked again, as the call under way was lost, then lets the whole answer out. */
  finish(): Promise<void>;
}

/** Starts a slow turn of so many pieces, and waits until its first one is stored as an event and the model waits before the second. */
export async function startSlowTurn(
  system: TestSystem,
  emulator: ModelEmulator,
  workspaceId: string,
  pieces: number,
): Promise<SlowTurn> {
  const message = await system.api.send(workspaceId, `slow ${pieces}`);
  await until('the first piece waits', () => emulator.waiting === 1, DEADLINE_SECONDS);
  emulator.release();
  await system.api.poll('the first piece is told', async () => {
    const events = await system.api.events(workspaceId);
    return events.some(({ type, data }) => type === 'agent.text' && data.messageId === message.id)
      ? true
      : null;
  });
  await until('the second piece waits', () => emulator.waiting === 1, DEADLINE_SECONDS);
  const calls = emulator.requests.length;
  return {
    message,
    answer: Array.from({ length: pieces }, (_, index) => `piece ${index + 1} of ${pieces}\n`).join(''),
    finish: async () => {
      // By the ledger: right after a crash the lost call may still seem to wait.
      const askedAgain = (): boolean => emulator.requests.length > calls && emulator.waiting === 1;
      await until('the model is asked again', askedAgain, DEADLINE_SECONDS);
      emulator.release(pieces);
    },
  };
}

/** The runner of a workspace and everything below it, now. Throws when there is no runner. */
export function runnerFamily(
  system: TestSystem,
  workspaceId: string,
): { runner: number; family: ProcessName[] } {
  const runner = runnerOf(system.filesOf(workspaceId));
  if (runner === null) throw new Error('The workspace has no runner.');
  return { runner, family: familyOf(runner) };
}
