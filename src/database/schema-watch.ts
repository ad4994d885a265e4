import { messageOf, type Log } from '../kernel/index.js';

/** Who migrates a database says so nowhere else than in it; a look costs one small query. */
const LOOK_SECONDS = 5;

export interface SchemaWatchOptions {
  /** Migrations that this build knows, by name. */
  known: readonly string[];
  /** Those that are booked in the database now. */
  booked: () => Promise<string[]>;
  log: Log;
  lookSeconds?: number;
}

/**
 * Sees that a newer Berth has migrated the database while this one runs. What this one would write from then on may be wrong in ways it cannot know, so it writes no more;
 * at the next start the migrator refuses (migrator.ts).
 */
export class SchemaWatch {
  #timer: NodeJS.Timeout | null = null;
  #isNewer = false;
  readonly #listeners: (() => void)[] = [];

  constructor(private readonly options: SchemaWatchOptions) {}

  /** True for good once the database has a migration that this build does not know. */
  get isNewer(): boolean {
    return this.#isNewer;
  }

  /** Calls back once, when that is seen. */
  whenNewer(listener: () => void): void {
    this.#listeners.push(listener);
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.look(), (this.options.lookSeconds ?? LOOK_SECONDS) * 1000);
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  async look(): Promise<void> {
    try {
      const unknown = unknownOf(await this.options.booked(), this.options.known);
      if (unknown.length === 0 || this.#isNewer) return;
      this.#isNewer = true;
      this.stop();
      this.options.log.error(
        { migrations: unknown },
        'a newer Berth has migrated the database: this one writes no more; replace it by the newer version',
      );
      for (const listener of this.#listeners) listener();
    } catch (error) {
      // A database that does not answer cannot be written to either.
      this.options.log.warn({ reason: messageOf(error) }, 'could not look for newer migrations');
    }
  }
}

/** What is booked and not known. */
export function unknownOf(booked: readonly string[], known: readonly string[]): string[] {
  const names = new Set(known);
  return booked.filter((name) => !names.has(name));
}
