import { EventSourceParserStream } from 'eventsource-parser/stream';

/** Reads the events of a streamed answer one by one. For tests. Throws when the stream breaks, or an event's name and `type` differ. */
export async function* readEvents<T extends { type: string }>(answer: Response): AsyncGenerator<T> {
  if (!answer.body) throw new Error(`the answer has no body (status ${answer.status})`);
  const stream = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of stream) {
    const parsed = JSON.parse(data) as T;
    if (parsed.type !== event) throw new Error(`event ${event ?? ''} carries the type ${parsed.type}`);
    yield parsed;
  }
}

/** Reads all of them. */
export async function allEvents<T extends { type: string }>(answer: Response): Promise<T[]> {
  const events: T[] = [];
  for await (const event of readEvents<T>(answer)) events.push(event);
  return events;
}
