import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessageView } from '../../../src/contracts/index.js';
import type { TestSystem } from '../support/system.js';

/** Where the probes lie in the tree, as the agent sees them. */
export const PROBES = '/workspace/.probes';
const SOURCE = fileURLToPath(new URL('./inside', import.meta.url));

/** Puts the probes into a workspace's tree, as a repository with hostile files would. */
export async function plantProbes(system: TestSystem, workspaceId: string): Promise<void> {
  await cp(SOURCE, path.join(system.treeOf(workspaceId), '.probes'), { recursive: true });
}

/** Lets the real agent run a shell command in one turn, and waits until the turn has ended. */
export async function runCommand(
  system: TestSystem,
  workspaceId: string,
  command: string,
): Promise<MessageView> {
  const message = await system.api.send(workspaceId, `run ${command}`);
  return system.api.untilEnded(workspaceId, message.id);
}

/** Lets the real agent run one of the probes, and answers its report. Throws when there is none: a probe that did not run proves nothing. */
export async function runProbe<T>(
  system: TestSystem,
  workspaceId: string,
  probe: string,
  args: object,
): Promise<T> {
  const folder = path.join(system.treeOf(workspaceId), '.probes');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${probe}.args.json`), JSON.stringify(args));
  const words = [`${probe}.mjs`, `${probe}.args.json`, `${probe}.report.json`].map(
    (file) => `${PROBES}/${file}`,
  );
  const message = await runCommand(system, workspaceId, `node ${words.join(' ')} 2>&1`);
  const text = await readFile(path.join(folder, `${probe}.report.json`), 'utf8').catch(() => null);
  if (text === null)
    throw new Error(`The probe ${probe} did not report; its turn: ${JSON.stringify(message)}`);
  return JSON.parse(text) as T;
}
