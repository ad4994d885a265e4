import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BubblewrapSandbox } from '../../src/runner/sandbox/bubblewrap.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { timeRow } from '../support/samples.js';
import { BenchSystem } from '../support/system.js';

const MESSAGES = 20;
const FORWARDER = fileURLToPath(new URL('../../dist/runner/inside/forwarder.js', import.meta.url));
const SEARCH_PATH = '/usr/local/bin:/usr/bin:/bin';

/** From `POST /messages` to the first thing the agent's process does. The agent writes down when that was, on the clock of the machine. */
export const message: Bench = { name: 'message', run };

async function run(context: BenchContext): Promise<Row[]> {
  const system = await BenchSystem.start(context);
  const workspace = await system.runningWorkspace(context);
  const place = await PlainPlace.make(system);
  const [bare, sandboxed, answered, started]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let count = 1; count <= MESSAGES; count++) {
    context.say(`message ${count} of ${MESSAGES}`);
    bare.push(await place.startInBwrap());
    sandboxed.push(await place.startInSandbox());
    const begun = Date.now();
    const { id } = await system.api.send(workspace.id, 'Good day');
    answered.push(Date.now() - begun);
    await system.untilCompleted(workspace, id);
    started.push((await lastStart(path.join(system.filesOf(workspace.id), 'home'))) - begun);
  }
  const yardstick = { what: 'the same program in bwrap, directly', samples: bare };
  return [
    timeRow('POST /messages to its answer', answered, yardstick),
    timeRow('POST /messages to agent process started', started, yardstick),
    timeRow('  of it Berth’s sandbox with its way out', sandboxed, yardstick),
  ];
}

/** Starts the stand-in without Berth: it stops by itself when there is no message. */
class PlainPlace {
  private constructor(
    private readonly home: string,
    private readonly agent: string,
    private readonly sandbox: BubblewrapSandbox,
  ) {}

  static async make({ folder, agent }: BenchSystem): Promise<PlainPlace> {
    const place = path.join(folder, 'place');
    const [home, tree, scratch, sockets] = ['home', 'tree', 'scratch', 'sockets'].map((name) =>
      path.join(place, name),
    ) as [string, string, string, string];
    for (const each of [home, tree, scratch, sockets]) await mkdir(each, { recursive: true });
    const options = { bwrap: 'bwrap', tree, home, scratch, socketDirectory: sockets, forwarder: FORWARDER };
    return new PlainPlace(home, agent, new BubblewrapSandbox(options));
  }

  /** With the namespaces that Berth uses, and nothing else of it. Answers the milliseconds to the program's first act. */
  async startInBwrap(): Promise<number> {
    const isolation = ['--unshare-all', '--die-with-parent', '--new-session', '--ro-bind', '/', '/'];
    const system = ['--proc', '/proc', '--dev', '/dev', '--bind', this.home, this.home];
    const begun = Date.now();
    const child = spawn('bwrap', [...isolation, ...system, '--', this.agent], {
      env: { PATH: SEARCH_PATH, HOME: this.home },
      stdio: 'ignore',
    });
    await once(child, 'exit');
    return (await lastStart(this.home)) - begun;
  }

  /** In the sandbox that Berth makes for an agent, with the forwarder that runs before it. */
  async startInSandbox(): Promise<number> {
    const { command, args, binds } = this.sandbox.program(this.agent);
    const begun = Date.now();
    const child = this.sandbox.run({
      command,
      args,
      binds,
      env: { PATH: `${SEARCH_PATH}:${this.sandbox.paths.extraPath}`, HOME: this.sandbox.paths.home },
      network: 'proxy',
    });
    child.stdout.resume();
    child.stderr.resume();
    await child.exit;
    return (await lastStart(this.home)) - begun;
  }
}

/** When the stand-in last began, in milliseconds since 1970. Throws when it never did. */
async function lastStart(home: string): Promise<number> {
  const lines = (await readFile(path.join(home, 'started'), 'utf8')).trim().split('\n');
  return Number(lines.at(-1)) / 1e6;
}
