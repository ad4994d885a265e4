import { fstatSync, readFileSync } from 'node:fs';
import type { RunnerInput } from '../contracts/runner.js';
import { NO_CAUSE } from '../kernel/cause.js';

const STANDARD_INPUT = 0;

const NOTHING: RunnerInput = { cause: NO_CAUSE, traceExport: null };

/** What the runtime has to say to a runner besides its file; nothing when standard input is no pipe. It was written by our own parent, who then closed it. */
export function readRunnerInput(): RunnerInput {
  const input = fstatSync(STANDARD_INPUT);
  if (!input.isFIFO() && !input.isSocket()) return NOTHING;
  const text = readFileSync(STANDARD_INPUT, 'utf8');
  // A Berth that was killed in the middle of the start: the runner works all the same.
  return parse(text) ?? NOTHING;
}

function parse(text: string): RunnerInput | null {
  try {
    return JSON.parse(text) as RunnerInput;
  } catch {
    return null;
  }
}
