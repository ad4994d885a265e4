import { setTimeout as sleep } from 'node:timers/promises';
import { FakeClock, Secret } from '../../kernel/index.js';
import type { CliContext } from '../context.js';
import { runCli } from '../program.js';

/** A command that runs in the test's own process. */
export interface TestCli {
  out: string;
  err: string;
  /** Pauses asked for, in milliseconds; none is really waited. */
  pauses: number[];
  clock: FakeClock;
  /** Stops what waits. */
  stop: AbortController;
  context: CliContext;
  /** Runs one command and answers its exit code. */
  run: (...args: string[]) => Promise<number>;
}

/** Makes a command for a Berth at `url`. Output is kept, pauses move the clock. */
export function testCli(url: string, apiKey: string, changes: Partial<CliContext> = {}): TestCli {
  const stop = new AbortController();
  const clock = new FakeClock();
  const cli: TestCli = {
    out: '',
    err: '',
    pauses: [],
    clock,
    stop,
    context: {
      out: (text) => (cli.out += text),
      err: (text) => (cli.err += text),
      readInput: () => Promise.resolve(''),
      color: false,
      connection: (flags) =>
        Promise.resolve({
          url: flags.url ?? url,
          apiKey: new Secret(apiKey),
          organization: flags.organization ?? null,
        }),
      local: {
        dataDir: '',
        claudeBin: undefined,
        codexBin: undefined,
        path: '',
        noColor: true,
        npmEnvironment: {},
      },
      fetch,
      clock,
      sleep: async (milliseconds, signal) => {
        cli.pauses.push(milliseconds);
        clock.advance(milliseconds);
        await sleep(0, undefined, { signal });
      },
      signal: stop.signal,
      serverEntry: '',
      inputIsTerminal: false,
      ...changes,
    },
    run: (...args) => runCli(args, cli.context),
  };
  return cli;
}

/** Waits until a condition holds; fails after the deadline. */
export async function until(
  condition: () => boolean,
  what: string,
  deadlineMilliseconds = 20_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMilliseconds;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Not in time: ${what}`);
    await sleep(5);
  }
}
