import { request, type IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';
import type { EventView } from '../../src/contracts/index.js';
import { eventually } from './eventually.js';

/** One reader of a stream, as a browser is: what it got so far, and whether the stream ended. */
export class StreamReader {
  readonly events: EventView[] = [];
  status = 0;
  ended = false;
  response: IncomingMessage | null = null;
  readonly hangUp: () => void;

  constructor(url: string, headers: Record<string, string>, paused = false) {
    const parser = createParser({
      onEvent: ({ id, data }) => {
        const event = JSON.parse(data) as EventView;
        if (id !== String(event.seq)) throw new Error(`event ${event.seq} is called ${id ?? 'nothing'}`);
        this.events.push(event);
      },
    });
    const call = request(url, { headers: { accept: 'text/event-stream', ...headers } }, (response) => {
      this.status = response.statusCode ?? 0;
      this.response = response;
      response.setEncoding('utf8');
      if (paused) response.pause();
      response.on('data', (text: string) => parser.feed(text));
      if (paused) response.pause();
      response.on('close', () => (this.ended = true));
      response.on('error', () => undefined);
    });
    call.on('error', () => (this.ended = true));
    call.end();
    this.hangUp = () => call.destroy();
  }

  get seqs(): number[] {
    return this.events.map(({ seq }) => seq);
  }

  until(count: number): Promise<void> {
    return eventually(
      `the reader has ${count} events, not ${this.events.length}`,
      () => this.events.length >= count,
    );
  }
}
