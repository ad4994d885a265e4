import { createParser } from 'eventsource-parser';
import type { Clock } from '../kernel/index.js';
import { exitCodes } from './exit-codes.js';
import { CliError, RefusedError, UnreachableError } from './failure.js';
import { eventSchema } from './wire.js';
import type { WorkspaceEvent } from './wire.js';

export interface FollowOptions {
  /** Opens the stream after an event number; throws as ApiClient does. */
  open: (after: number) => Promise<Response>;
  /** The last event number already seen; 0 replays all. */
  after: number;
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  clock: Clock;
  signal: AbortSignal;
  /** Told when the connection is lost and when events are missing. */
  notice: (text: string) => void;
}

const firstPauseMilliseconds = 500;
const shortestPauseMilliseconds = 100;
const longestPauseMilliseconds = 10_000;
/** So long without an answer, and a lost Berth is said to be lost. */
const giveUpSeconds = 300;

/**
 * The events of a workspace from `after` on, each once and in order, for as long as the caller wants them. A lost connection is taken up again
 * after the last event seen (`Last-Event-ID`). fetch itself ends a connection on which nothing came for 300 s, so a dead one is noticed.
 * @throws UnreachableError when the first connection fails, or none succeeded for 300 s; RefusedError when Berth says no.
 */
export async function* followEvents(options: FollowOptions): AsyncGenerator<WorkspaceEvent> {
  const { clock, notice } = options;
  const position = new Position(options.after, notice);
  let contactAt: number | null = null;
  let pause = firstPauseMilliseconds;
  for (;;) {
    try {
      const response = await options.open(position.last);
      contactAt = clock.now().getTime();
      for await (const event of readEvents(
        response,
        (milliseconds) => (pause = Math.max(milliseconds, shortestPauseMilliseconds)),
      )) {
        contactAt = clock.now().getTime();
        const verdict = position.take(event);
        // Asking anew brings what was skipped, if it is still there.
        if (verdict === 'gap') break;
        if (verdict === 'seen') continue;
        pause = firstPauseMilliseconds;
        yield event;
      }
    } catch (error) {
      options.signal.throwIfAborted();
      if (!isWorthRetrying(error) || contactAt === null) throw error;
      if (clock.now().getTime() - contactAt > giveUpSeconds * 1000) throw error;
      pause = Math.max(pause, (error instanceof RefusedError ? (error.retryAfterSeconds ?? 0) : 0) * 1000);
      notice('The connection to Berth was lost; connecting again.');
    }
    await options.sleep(pause, options.signal);
    pause = Math.min(pause * 2, longestPauseMilliseconds);
  }
}

/** The place in the numbered log. Numbers have no gaps, so a jump means that something was lost on the way. */
class Position {
  #toleratedGap: number | null = null;

  constructor(
    public last: number,
    private readonly notice: (text: string) => void,
  ) {}

  take(event: WorkspaceEvent): 'next' | 'seen' | 'gap' {
    if (event.seq <= this.last) return 'seen';
    if (event.seq > this.last + 1) {
      if (this.#toleratedGap !== this.last) {
        this.#toleratedGap = this.last;
        return 'gap';
      }
      this.notice(`Events ${this.last + 1} to ${event.seq - 1} are missing on the server.`);
    }
    this.last = event.seq;
    return 'next';
  }
}

/** A network failure, or an answer that says "not now". */
function isWorthRetrying(error: unknown): boolean {
  if (error instanceof RefusedError) return error.status === 429 || error.status >= 500;
  return error instanceof UnreachableError || !(error instanceof CliError);
}

/** Reads one connection's events until it ends. Throws CliError for data that is no event. */
async function* readEvents(
  response: Response,
  onRetry: (milliseconds: number) => void,
): AsyncGenerator<WorkspaceEvent> {
  const ready: WorkspaceEvent[] = [];
  const parser = createParser({ onEvent: ({ data }) => ready.push(parseEvent(data)), onRetry });
  const decoder = new TextDecoder();
  if (response.body === null) return;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* ready.splice(0);
  }
}

function parseEvent(data: string): WorkspaceEvent {
  try {
    return eventSchema.parse(JSON.parse(data));
  } catch (cause) {
    throw new CliError(
      exitCodes.failed,
      'The event stream holds something that is no event. Check that this command and Berth are of the same version.',
      [],
      { cause },
    );
  }
}
