import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** One line that Berth holds, fixed before it is first run. `npm test` plays it at `small`, `npm run trust` at `full` rounds. */
export interface Figure {
  /** `F20`; with a word behind it where one line is proven in several parts: `F20 crash`. */
  id: string;
  scenario: string;
  /** What must hold, in words. */
  line: string;
  rounds: { small: number; full: number };
  /** Where it is counted: never at Berth's own counters (the emulator's ledger, rows, `/proc`, file marks). */
  countedAt: string;
  /** Whether time was real, or a clock that the program moved. */
  time: 'real' | 'injected';
  /** Longest run at full size, in minutes; a small one has Jest's own limit. Default 20. */
  fullMinutes?: number;
}

/** What a run found. A figure holds when nothing broke it. */
export class Findings {
  /** Each breach of the line, in words; empty when it held. */
  readonly breaches: string[] = [];
  /** Numbers for the report, with their units in the name: `{'p99 ms': 12}`. */
  readonly numbers: Record<string, number | string> = {};
  /** How often the line was really put to the test; by default the rounds. */
  tried: number;

  constructor(readonly rounds: number) {
    this.tried = rounds;
  }

  breach(what: string): void {
    this.breaches.push(what);
  }

  /** Notes a breach unless it holds. */
  expect(holds: boolean, breach: string): void {
    if (!holds) this.breach(breach);
  }

  number(name: string, value: number | string): void {
    this.numbers[name] = value;
  }
}

/** What is written down of one run; `npm run trust` makes docs/trust.md of it. */
export interface Result extends Omit<Figure, 'rounds' | 'fullMinutes'> {
  tried: number;
  breaches: string[];
  numbers: Record<string, number | string>;
  seconds: number;
  /** When it ended, and the commit it ran on; `+` behind it: with changes that are not committed. */
  at: string;
  commit: string;
}

/** Where a full run leaves its results; absent in `npm test`. */
const resultsFolder = process.env.BERTH_TRUST_RESULTS;
/** For a figure that plays in several settings: all of them in full, one of them at a small number of rounds. */
export const playsInFull = resultsFolder !== undefined;

/** A small run takes some ten seconds on a machine of its own. How fast it is, is no part of its line, so a busy machine must not fail it. */
const SMALL_MINUTES = 4;

/** Plays a figure as a Jest test. It fails on the first breaches, and writes all of them down when results are asked for. */
export function figure(figure: Figure, play: (findings: Findings) => Promise<void>): void {
  const { rounds, fullMinutes = 20, ...told } = figure;
  const test = async (): Promise<void> => {
    const findings = new Findings(playsInFull ? rounds.full : rounds.small);
    const begun = performance.now();
    try {
      await play(findings);
    } catch (error) {
      findings.breach(`the run ended early: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    } finally {
      const { tried, breaches, numbers } = findings;
      const seconds = Math.round((performance.now() - begun) / 1000);
      if (resultsFolder) await write(resultsFolder, { ...told, tried, breaches, numbers, seconds });
    }
    expect(findings.breaches.slice(0, 10)).toEqual([]);
  };
  it(`${figure.id}: ${figure.line}`, test, (playsInFull ? fullMinutes : SMALL_MINUTES) * 60_000);
}

async function write(folder: string, found: Omit<Result, 'at' | 'commit'>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const result: Result = { ...found, at: new Date().toISOString(), commit: commit() };
  const name = result.id.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  await writeFile(path.join(folder, `${name}.json`), JSON.stringify(result, null, 2));
}

/** The page itself and what is not in git say nothing about the code. */
function commit(): string {
  const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', '.', ':!docs') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');
}
