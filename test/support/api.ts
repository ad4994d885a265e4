import { createParser } from 'eventsource-parser';
import {
  MAX_EVENTS,
  type EventView,
  type MessageView,
  type WorkspaceView,
} from '../../src/contracts/index.js';

export interface Answered<T> {
  status: number;
  body: T;
  headers: Headers;
}

/** Below Jest's own limit, so that what was waited for is what a failed test says. */
const DEADLINE_SECONDS = 45;
const POLL_MS = 50;

/** Calls a running Berth as a client would, and says what came back when it is not what was expected. */
export class Api {
  constructor(
    readonly url: string,
    readonly apiKey: string | null,
    readonly organization: string,
  ) {}

  as(apiKey: string | null, organization = this.organization): Api {
    return new Api(this.url, apiKey, organization);
  }

  at(url: string): Api {
    return new Api(url, this.apiKey, this.organization);
  }

  /** Path within the organization. */
  path(rest: string): string {
    return `/api/v1/organizations/${this.organization}${rest}`;
  }

  async call<T>(method: string, path: string, body?: unknown, expected?: number): Promise<Answered<T>> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(this.apiKey ? { authorization: `Bearer ${this.apiKey}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        accept: 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (expected !== undefined && response.status !== expected) {
      throw new Error(`${method} ${path} answered ${response.status}, not ${expected}: ${text}`);
    }
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      body: (isJson ? JSON.parse(text) : text) as T,
      headers: response.headers,
    };
  }

  get<T>(path: string, expected = 200): Promise<Answered<T>> {
    return this.call<T>('GET', path, undefined, expected);
  }

  post<T>(path: string, body: unknown, expected: number): Promise<Answered<T>> {
    return this.call<T>('POST', path, body, expected);
  }

  async setCredential(scope: 'user' | 'organization', kind: string, body: unknown): Promise<void> {
    await this.call('PUT', this.path(`/credentials/${scope}/${kind}`), body, 200);
  }

  async createWorkspace(input: Record<string, unknown>): Promise<WorkspaceView> {
    return (await this.post<WorkspaceView>(this.path('/workspaces'), input, 202)).body;
  }

  async workspace(id: string): Promise<WorkspaceView> {
    return (await this.get<WorkspaceView>(this.path(`/workspaces/${id}`))).body;
  }

  async send(id: string, text: string): Promise<MessageView> {
    return (await this.post<MessageView>(this.path(`/workspaces/${id}/messages`), { text }, 202)).body;
  }

  /** All of them, or those after one: the API gives the oldest first, and a single page would hide what a long chat said last. */
  async messages(id: string, after: string | null = null): Promise<MessageView[]> {
    const query = after === null ? 'limit=100' : `limit=100&cursor=${after}`;
    const { body } = await this.get<{ items: MessageView[]; nextCursor: string | null }>(
      this.path(`/workspaces/${id}/messages?${query}`),
    );
    const rest = body.nextCursor === null ? [] : await this.messages(id, body.nextCursor);
    return [...body.items, ...rest];
  }

  /** All of them after a number. */
  async events(id: string, after = 0): Promise<EventView[]> {
    const path = this.path(`/workspaces/${id}/events?after=${after}`);
    const { items } = (await this.get<{ items: EventView[] }>(path)).body;
    const last = items.length < MAX_EVENTS ? undefined : items.at(-1);
    return last === undefined ? items : [...items, ...(await this.events(id, last.seq))];
  }

  /** Waits until the workspace is in the state; fails at once when it failed instead. */
  async untilState(id: string, state: WorkspaceView['state']): Promise<WorkspaceView> {
    return this.poll(`workspace ${state}`, async () => {
      const workspace = await this.workspace(id);
      if (workspace.state === 'failed' && state !== 'failed')
        throw new Error(`The workspace failed: ${workspace.stateReason ?? ''}`);
      return workspace.state === state ? workspace : null;
    });
  }

  /** Waits until the turn of a person's message has ended, and answers it. */
  async untilEnded(id: string, messageId: string): Promise<MessageView> {
    return this.poll(`message ${messageId} ended`, async () => {
      const message = (await this.messages(id)).find((candidate) => candidate.id === messageId);
      return message && ['completed', 'failed', 'canceled'].includes(message.state) ? message : null;
    });
  }

  async poll<T>(what: string, look: () => Promise<T | null>, deadlineSeconds = DEADLINE_SECONDS): Promise<T> {
    const deadline = Date.now() + deadlineSeconds * 1000;
    for (;;) {
      const found = await look();
      if (found !== null) return found;
      if (Date.now() > deadline) throw new Error(`Not within ${deadlineSeconds} s: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Reads the event stream until `enough`, then hangs up. Answers the events with the ids the stream gave them. */
  async stream(
    id: string,
    lastEventId: string | null,
    enough: (events: EventView[]) => boolean,
  ): Promise<EventView[]> {
    const hangUp = new AbortController();
    const deadline = setTimeout(() => hangUp.abort(), DEADLINE_SECONDS * 1000);
    const events: EventView[] = [];
    const parser = createParser({
      onEvent: ({ id: seq, data }) => {
        const event = JSON.parse(data) as EventView;
        if (seq !== String(event.seq))
          throw new Error(`The stream calls event ${event.seq} ${seq ?? 'nothing'}`);
        events.push(event);
        if (enough(events)) hangUp.abort();
      },
    });
    try {
      const response = await fetch(`${this.url}${this.path(`/workspaces/${id}/events`)}`, {
        headers: {
          authorization: `Bearer ${this.apiKey ?? ''}`,
          accept: 'text/event-stream',
          ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
        },
        signal: hangUp.signal,
      });
      if (!response.ok || !response.body) throw new Error(`The stream answered ${response.status}`);
      const decoder = new TextDecoder();
      for await (const chunk of response.body as AsyncIterable<Uint8Array>)
        parser.feed(decoder.decode(chunk, { stream: true }));
    } catch (error) {
      if (!hangUp.signal.aborted) throw error;
    } finally {
      clearTimeout(deadline);
    }
    if (!enough(events))
      throw new Error(
        `The stream ended before that was there; it had ${events.map(({ type }) => type).join(', ')}`,
      );
    return events;
  }
}
