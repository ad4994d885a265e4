import { PassThrough, pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import { PushMalformed, PushReader, type PushRequest } from './git-push.js';
import { drain } from './refusal.js';

/** A push of which the list of refs has been read, and nothing sent. */
export interface OpenedPush {
  request: PushRequest;
  /** The whole body from its beginning, uncompressed. */
  body: Readable;
}

/** The body of a git request on its way: of any length, with a bound on each pause. */
export class GitBody {
  #close: () => void = () => undefined;
  #stalled = false;

  constructor(
    private readonly request: IncomingMessage,
    private readonly pauseSeconds: number,
  ) {}

  /** The client stopped sending in the middle. */
  get isStalled(): boolean {
    return this.#stalled;
  }

  /**
   * The request's body as a stream of its own: undici destroys the stream it is given when a call fails, and with the request itself it would take
   * the connection away before we can say what happened.
   */
  open(): Readable {
    const { request } = this;
    const body = new PassThrough();
    const timer = setTimeout(() => {
      // It is the git server that takes no more for now, or a credential that is waited for.
      if (body.writableNeedDrain) return void timer.refresh();
      this.#stalled = true;
      body.destroy(new Error('The client stopped sending.'));
    }, this.pauseSeconds * 1000);
    const refresh = (): void => void timer.refresh();
    // A body that was cut off must not reach the upstream as one that ended.
    const cut = (): void => {
      if (!request.complete) body.destroy(new Error('The client closed its connection.'));
    };
    request.on('data', refresh).once('close', cut);
    // undici listens only while a call runs; an error after it must not end the process.
    body.on('error', () => undefined);
    body.once('close', () => clearTimeout(timer));
    request.once('end', () => clearTimeout(timer));
    this.#close = () => {
      request.off('data', refresh).off('close', cut).unpipe(body);
      body.destroy();
      // The git server may have answered without reading all of it.
      drain(request);
    };
    return request.pipe(body);
  }

  /**
   * As `open`, for a push: ends once the list of refs is read, before anything is sent. Compressed or not, what is sent on is what was read here, so that nobody reads it otherwise. Throws
   * PushMalformed, or the reason for which the body broke off.
   */
  async openPush(): Promise<OpenedPush> {
    const pieces = this.#plain()[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const reader = new PushReader();
    for (;;) {
      const { done, value } = await nextOf(pieces);
      if (!done) reader.add(value);
      const { request } = reader;
      if (request && (done || comesWithoutPack(request) || reader.packBegins()))
        return { request, body: Readable.from(joined(reader.bytes, pieces), { objectMode: false }) };
      if (done) throw new PushMalformed('The push ended in its list of refs.');
    }
  }

  /** Lets go of the request's body, whatever is left of it. */
  close(): void {
    this.#close();
  }

  #plain(): Readable {
    const coding = this.request.headers['content-encoding'] ?? 'identity';
    if (coding === 'identity') return this.open();
    if (coding !== 'gzip' && coding !== 'x-gzip')
      throw new PushMalformed('The push is compressed in a way that is not taken here.');
    return pipeline(this.open(), createGunzip(), () => undefined);
  }
}

/** A push that only deletes has none, and before another there are its options: both are judged without. */
function comesWithoutPack({ commands, capabilities }: PushRequest): boolean {
  return (
    commands.length > 0 && (capabilities.has('push-options') || commands.every(({ isDelete }) => isDelete))
  );
}

async function nextOf(pieces: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer, undefined>> {
  try {
    return (await pieces.next()) as IteratorResult<Buffer, undefined>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_'))
      throw new PushMalformed('The push is not in the compression it names.');
    throw error;
  }
}

async function* joined(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  for (let next = await nextOf(rest); !next.done; next = await nextOf(rest)) yield next.value;
}
