import { createParser } from 'eventsource-parser';
import type { EventView } from '../../src/contracts/index.js';
import type { Api } from '../../test/support/api.js';
import { within } from './deadline.js';

/** An event, and when it was here: milliseconds on the clock of `performance.now()`. */
export interface Arrival {
  event: EventView;
  at: number;
}

/** A workspace's events as a reader gets them, each with the moment of its arrival. */
export class EventStream {
  readonly #hangUp = new AbortController();
  readonly #arrived: Arrival[] = [];
  #wake: () => void = () => undefined;
  #broken: unknown = null;

  /** Connects, and replays everything after the event number `after`. */
  static async open(api: Api, workspaceId: string, after = 0): Promise<EventStream> {
    const stream = new EventStream();
    const response = await fetch(`${api.url}${api.path(`/workspaces/${workspaceId}/events`)}`, {
      headers: {
        authorization: `Bearer ${api.apiKey ?? ''}`,
        accept: 'text/event-stream',
        'last-event-id': String(after),
      },
      signal: stream.#hangUp.signal,
    });
    if (!response.ok || !response.body) throw new Error(`The event stream answered ${response.status}.`);
    void stream.#read(response.body);
    return stream;
  }

  /** The first event that fits and was not taken before; earlier ones are dropped. */
  async next(what: string, fits: (event: EventView) => boolean): Promise<Arrival> {
    return within(what, this.#take(fits));
  }

  close(): void {
    this.#hangUp.abort();
  }

  async #take(fits: (event: EventView) => boolean): Promise<Arrival> {
    for (;;) {
      for (let arrival = this.#arrived.shift(); arrival; arrival = this.#arrived.shift()) {
        if (fits(arrival.event)) return arrival;
      }
      if (this.#broken !== null) throw new Error('The event stream ended.', { cause: this.#broken });
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #read(body: AsyncIterable<Uint8Array>): Promise<void> {
    const parser = createParser({
      onEvent: ({ data }) => {
        this.#arrived.push({ event: JSON.parse(data) as EventView, at: performance.now() });
        this.#wake();
      },
    });
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body) parser.feed(decoder.decode(chunk, { stream: true }));
      this.#broken = new Error('The server ended it.');
    } catch (error) {
      this.#broken = error;
    }
    this.#wake();
  }
}
