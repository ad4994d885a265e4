import type { Api } from '../../test/support/api.js';
import type { BenchContext } from '../bench.js';
import { EventStream } from './event-stream.js';

/** So many ask for their stream at a time. */
const AT_ONCE = 50;

/** Readers of one workspace, each with a stream of its own. Every one must get every event, once and in its order. */
export class Readers {
  readonly #streams: EventStream[] = [];

  private constructor(
    private readonly context: BenchContext,
    private readonly api: Api,
    readonly workspaceId: string,
    /** The number of the newest event that all have. */
    private lastSeq: number,
  ) {}

  /** Nobody reads yet; those who come are told what happens from here on. */
  static async of(context: BenchContext, api: Api, workspaceId: string): Promise<Readers> {
    const events = await api.events(workspaceId);
    return new Readers(context, api, workspaceId, events.at(-1)?.seq ?? 0);
  }

  /** Opens streams until there are so many. */
  async grow(count: number): Promise<void> {
    while (this.#streams.length < count) {
      const missing = Math.min(AT_ONCE, count - this.#streams.length);
      await Promise.all(Array.from({ length: missing }, () => this.#open()));
    }
  }

  /** The moments at which the next event was on each of the streams. Throws when one of them brought another, or ended. */
  next(): Promise<number[]> {
    const due = ++this.lastSeq;
    const arrivals = this.#streams.map(async (stream) => {
      const { event, at } = await stream.next(`event ${due} is on every stream`, () => true);
      if (event.seq !== due) throw new Error(`A stream brought event ${event.seq} where ${due} was due.`);
      return at;
    });
    return Promise.all(arrivals);
  }

  close(): void {
    for (const stream of this.#streams) stream.close();
  }

  async #open(): Promise<void> {
    const stream = await EventStream.open(this.api, this.workspaceId, this.lastSeq);
    this.context.defer(() => stream.close());
    this.#streams.push(stream);
  }
}
