import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Bench, BenchContext, Row } from '../bench.js';
import { EventStream } from '../support/event-stream.js';
import { timed, timeRow } from '../support/samples.js';
import { BenchSystem, isState } from '../support/system.js';

const WORKSPACES = 20;
const git = promisify(execFile);

/** From `POST /workspaces` to the event that says it runs, with and without the time that git itself needs. */
export const workspace: Bench = { name: 'workspace', run };

async function run(context: BenchContext): Promise<Row[]> {
  const system = await BenchSystem.start(context);
  const [direct, answered, ready]: [number[], number[], number[]] = [[], [], []];
  for (let count = 1; count <= WORKSPACES; count++) {
    context.say(`workspace ${count} of ${WORKSPACES}`);
    direct.push(await cloneDirectly(system));
    const begun = performance.now();
    const { id } = await system.api.createWorkspace({ repository: system.repository.url });
    answered.push(performance.now() - begun);
    const stream = await EventStream.open(system.api, id);
    try {
      const { at } = await stream.next('the workspace runs', isState('running'));
      ready.push(at - begun);
    } finally {
      stream.close();
    }
    await system.deleteWorkspace(id);
  }
  const yardstick = { what: 'the same git clone and checkout, directly', samples: direct };
  const own = ready.map((milliseconds, at) => milliseconds - (direct[at] ?? 0));
  return [
    timeRow('POST /workspaces to its answer', answered, yardstick),
    timeRow('POST /workspaces to runner ready', ready, yardstick),
    timeRow('  … minus git’s own time', own, yardstick),
  ];
}

/** What the runner asks of git, without runner and sandbox. */
async function cloneDirectly({ folder, repository }: BenchSystem): Promise<number> {
  const tree = await mkdtemp(path.join(folder, 'clone-'));
  const options = {
    cwd: tree,
    env: { PATH: process.env.PATH, HOME: tree, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' },
  };
  const flags = ['--quiet', '--no-checkout', '--no-local', '--origin', 'origin', '--no-recurse-submodules'];
  try {
    return await timed(async () => {
      await git('git', ['clone', ...flags, '--', repository.folder, '.'], options);
      await git(
        'git',
        ['checkout', '--quiet', '--no-track', '-B', 'berth/bench', 'origin/main', '--'],
        options,
      );
    });
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}
