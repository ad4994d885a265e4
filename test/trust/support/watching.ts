import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Keeps of a log only what must not be in it: errors, what could not be done, and what was sent. */
export class WatchedLog {
  readonly wrong: string[] = [];
  lines = 0;

  constructor(private readonly mark: string) {}

  write(line: string): void {
    this.lines += 1;
    if (/"level":"(error|warn|fatal)"/.test(line) || line.includes(this.mark))
      this.wrong.push(line.slice(0, 600));
  }
}

/** What is really held: after a collection. */
export function heapMb(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}
