import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { eventsRoute } from '../contracts/index.js';
import { WorkspaceFeed, type Watch } from '../events/index.js';
import { BindRoute, Input, invalid, whenGone, type InputOf } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { BerthError, METRICS, type Metrics } from '../kernel/index.js';
import { ChatsService } from './chats.service.js';
import type { Found } from './event-look.js';
import { EventLooks } from './event-looks.js';
import { eventFrame, eventView, KEEP_ALIVE_FRAME, resumeAfter } from './event-stream.js';

/** One reader's stream, as it begins. */
interface Reading {
  watch: Watch;
  look: (after: number) => Promise<Found>;
  after: number;
  found: Found;
}

/** The events of a workspace: live as a stream, or as a list. */
@Controller()
export class EventsController {
  constructor(
    private readonly chats: ChatsService,
    private readonly looks: EventLooks,
    private readonly feed: WorkspaceFeed,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  @BindRoute(eventsRoute)
  async events(
    @CurrentActor() actor: Actor,
    @Input() { params, query }: InputOf<typeof eventsRoute>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const after = resumeAfter(request.get('last-event-id'), query.after);
    if (after === null)
      throw invalid([{ path: 'header.last-event-id', message: 'must be the number of an event' }]);
    if (request.accepts(['text/event-stream', 'application/json']) === 'application/json') {
      const events = await this.chats.events(actor, params.id, after, query.limit);
      const nextCursor = events.length === query.limit ? String(events.at(-1)?.seq) : null;
      response.json({ items: events.map(eventView), nextCursor });
      return;
    }
    const gone = whenGone(response);
    // Before the first look, so that what changes while it looks is not missed.
    const watch = this.feed.watch(params.id, actor.via.id, gone);
    const look = (from: number): Promise<Found> => this.looks.after(actor, params.id, from);
    try {
      await watch.changed();
      // The first look decides between 404 and a stream.
      await this.stream(response, gone.signal, { watch, look, after, found: await look(after) });
    } finally {
      watch.end();
    }
  }

  /** Sends what was found, waits for a change, looks again. Each look reads on from the last number sent, so that nothing is lost or doubled whatever wakes it. */
  private async stream(
    response: Response,
    gone: AbortSignal,
    { watch, look, after, found }: Reading,
  ): Promise<void> {
    this.metrics.add('berth_sse_streams', {}, 1);
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // Kept alive after a stream, a connection would hold up the end of the server until its reader lets go of it.
      connection: 'close',
    });
    response.flushHeaders();
    let [last, { events, more }] = [after, found];
    const isOver = (): boolean => gone.aborted;
    try {
      while (!isOver()) {
        last = events.at(-1)?.seq ?? last;
        const frames = events.length > 0 ? events.map(eventFrame).join('') : KEEP_ALIVE_FRAME;
        await write(response, frames, gone);
        if (!more) await watch.changed();
        if (!isOver()) ({ events, more } = await look(last));
      }
    } catch (error) {
      // Deleted, or no longer the reader's: the stream ends, and the next request hears why.
      if (!(error instanceof BerthError)) throw error;
    } finally {
      this.metrics.add('berth_sse_streams', {}, -1);
      // What a reader does not take cannot be ended in order.
      if (response.writableNeedDrain) response.destroy();
      else response.end();
    }
  }
}

/** Writes at the reader's pace: who reads slowly holds back their own stream and fills no memory of ours. */
async function write(response: Response, text: string, gone: AbortSignal): Promise<void> {
  if (response.write(text) || gone.aborted) return;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      // Both are taken back: a slow reader is waited for many times on the same signal.
      response.off('drain', go);
      gone.removeEventListener('abort', go);
      resolve();
    };
    response.once('drain', go);
    gone.addEventListener('abort', go, { once: true });
  });
}
