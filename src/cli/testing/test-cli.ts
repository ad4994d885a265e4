import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeClock, Secret } from '../../kernel/index.js';
import type { StoredConfig } from '../../config/cli-config.js';
import type { CliWorld } from '../context.js';
import { runCli } from '../program.js';
import { PlainProgress } from '../progress.js';
import type { Prompts } from '../prompts.js';

/** A command that runs in the test's own process. */
export interface TestCli {
  out: string;
  err: string;
  /** Pauses asked for, in milliseconds; none is really waited. */
  pauses: number[];
  clock: FakeClock;
  /** Stops what waits. */
  stop: AbortController;
  context: CliWorld;
  /** What the person's settings hold. */
  stored: StoredConfig;
  /** Runs one command and answers its exit code. */
  run: (...args: string[]) => Promise<number>;
}

/** Makes a command for a Berth at `url`. Output is kept, pauses move the clock. */
export function testCli(url: string, apiKey: string, changes: Partial<CliWorld> = {}): TestCli {
  const stop = new AbortController();
  const clock = new FakeClock();
  const cli: TestCli = {
    out: '',
    err: '',
    pauses: [],
    clock,
    stop,
    stored: {},
    context: {
      out: (text) => (cli.out += text),
      err: (text) => (cli.err += text),
      readInput: () => Promise.resolve(''),
      color: false,
      progress: new PlainProgress((text) => (cli.err += text)),
      prompts: null,
      address: (flags) => Promise.resolve(flags.url ?? url),
      configFile: {
        path: '/home/ada/.config/berth/config.json',
        read: () => Promise.resolve(cli.stored),
        write: (stored) => {
          cli.stored = stored;
          return Promise.resolve();
        },
      },
      newKey: randomUUID,
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
        dumbTerminal: false,
        setupToken: null,
        keyVariable: null,
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

/** A person at the terminal who gives these answers in turn; fails when asked once more. `asked` holds the questions. */
export function answers(...given: string[]): Prompts & { asked: string[] } {
  const asked: string[] = [];
  const next = (question: string): Promise<string> => {
    asked.push(question);
    const answer = given.shift();
    return answer === undefined
      ? Promise.reject(new Error(`Not expected: ${question}`))
      : Promise.resolve(answer);
  };
  return {
    asked,
    ask: async (question, preset = '') => (await next(question)) || preset,
    askHidden: next,
    confirm: async (question) => (await next(question)) === 'y',
  };
}
