import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { eventsRoute, MAX_EVENTS } from '../contracts/index.js';
import { WorkspaceFeed, type WorkspaceEvent } from '../events/index.js';
import { BindRoute, Input, invalid, whenGone, type InputOf } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { BerthError, METRICS, type Metrics } from '../kernel/index.js';
import { ChatsService } from './chats.service.js';
import { eventFrame, eventView, KEEP_ALIVE_FRAME, resumeAfter } from './event-stream.js';

const KEEP_ALIVE_SECONDS = 15;

/** The events of a workspace: live as a stream, or as a list. */
@Controller()
export class EventsController {
  constructor(
    private readonly chats: ChatsService,
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
    // The first look decides between 404 and a stream.
    const events = await this.chats.events(actor, params.id, after, MAX_EVENTS);
    await this.stream(actor, params.id, { after, events }, response, gone);
  }

  /** Reads what is there, sends it, waits for more. Each look reads on from the last number sent, so that nothing is lost or doubled whatever wakes it. */
  private async stream(
    actor: Actor,
    workspaceId: string,
    first: { after: number; events: WorkspaceEvent[] },
    response: Response,
    gone: AbortController,
  ): Promise<void> {
    // Berth stops: a reader who takes nothing more must not hold it up.
    const unsubscribe = this.feed.subscribe(workspaceId, () => this.feed.closed && gone.abort());
    this.metrics.add('berth_sse_streams', {}, 1);
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      // Kept alive after a stream, a connection would hold up the end of the server until its reader lets go of it.
      connection: 'close',
    });
    response.flushHeaders();
    let { after: last, events } = first;
    const look = async () => {
      const found = await this.chats.events(actor, workspaceId, last, MAX_EVENTS);
      return found.length > 0 ? found : null;
    };
    try {
      while (!gone.signal.aborted && !this.feed.closed) {
        for (const event of events) last = event.seq;
        await write(
          response,
          events.length > 0 ? events.map(eventFrame).join('') : KEEP_ALIVE_FRAME,
          gone.signal,
        );
        events = (await this.feed.until(workspaceId, KEEP_ALIVE_SECONDS, gone.signal, look)) ?? [];
      }
    } catch (error) {
      // Deleted, or no longer the reader's: the stream ends, and the next request hears why.
      if (!(error instanceof BerthError)) throw error;
    } finally {
      unsubscribe();
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
