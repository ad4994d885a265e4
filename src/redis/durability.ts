/** What a Redis says about itself; null where it may not be asked (a managed one forbids CONFIG, a restricted login INFO as well). */
export interface RedisSettings {
  /** `redis_version` of INFO. */
  version: string | null;
  /** Whether an append-only file is written. */
  appendOnly: boolean | null;
  /** When snapshots are saved, as CONFIG GET save words it: empty means never. */
  save: string | null;
  /** `maxmemory-policy`: what is thrown away when the memory is full. */
  evictionPolicy: string | null;
}

/** The oldest version whose commands the queue can rely on. */
const MINIMUM = [6, 2] as const;

export function isTooOld(version: string | null): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  // Clones and managed services say what they like: only a plain number is judged.
  if (version === null || Number.isNaN(major) || Number.isNaN(minor)) return false;
  return major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1]);
}

/** What should be set otherwise, each with what to do; empty when all is well or nothing could be asked. */
export function concernsOf({ appendOnly, save, evictionPolicy }: RedisSettings): string[] {
  const concerns: string[] = [];
  if (evictionPolicy !== null && evictionPolicy !== 'noeviction')
    concerns.push(
      `it throws keys away when its memory is full (maxmemory-policy ${evictionPolicy}): set "maxmemory-policy noeviction"`,
    );
  if (appendOnly === false && save === '')
    concerns.push(
      'it writes nothing to disk (appendonly no, save ""), so that a restart empties the queue: set "appendonly yes"',
    );
  return concerns;
}

/** The lines `name:value` of INFO. */
export function parseInfo(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}
