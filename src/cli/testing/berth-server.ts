import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Message, Workspace, WorkspaceEvent } from '../wire.js';

/** One request as it came, for tests to look at. */
export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: unknown;
}

type Handler = (request: SeenRequest, response: ServerResponse) => boolean | Promise<boolean>;

const organizationPath = '/api/v1/organizations/acme';

/**
 * A Berth for the command's tests: answers as the outside contract says, from memory. Lists come in pages of two, so that no test passes by
 * reading the first page only.
 */
export class BerthServer {
  readonly seen: SeenRequest[] = [];
  readonly workspaces: Workspace[] = [];
  readonly messages: Message[] = [];
  readonly events: WorkspaceEvent[] = [];
  organizations = [{ id: 'o-1', slug: 'acme', name: 'Acme' }];
  /** Comes before the usual answers; true means: answered. */
  intercept: Handler = () => false;
  /** Told of each message that was posted. */
  onMessage: (message: Message) => void = () => undefined;
  /** Told of each stream that was opened. */
  onStream: (after: number) => void = () => undefined;
  readonly #streams = new Set<ServerResponse>();
  readonly #server: Server;

  constructor(readonly apiKey: string) {
    this.#server = createServer((request, response) => void this.answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Stores an event and sends it to every open stream. */
  emit(type: string, data: Record<string, unknown>): void {
    const event = { seq: this.events.length + 1, at: '2026-01-02T03:04:05.678Z', type, data };
    this.events.push(event);
    for (const stream of this.#streams) stream.write(frame(event));
  }

  /** Cuts every open stream without an end, as a crash does. */
  cutStreams(): void {
    for (const stream of this.#streams) stream.socket?.destroy();
    this.#streams.clear();
  }

  /** Ends every open stream, as a restart does. */
  endStreams(): void {
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = await text(incoming);
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: raw === '' ? null : (JSON.parse(raw) as unknown),
    };
    this.seen.push(request);
    if (await this.intercept(request, response)) return;
    if (request.headers.authorization !== `Bearer ${this.apiKey}`)
      problem(response, 401, 'unauthenticated', 'The API key is not valid.');
    else if (request.method === 'GET') this.get(request, response);
    else this.post(request, response);
  }

  private get(request: SeenRequest, response: ServerResponse): void {
    const url = new URL(request.path, 'http://berth');
    const [, kind, id, part] = url.pathname.slice(organizationPath.length).split('/');
    if (url.pathname === '/api/v1/me')
      json(response, 200, { user: { id: 'u-1' }, organizations: this.organizations });
    else if (!url.pathname.startsWith(organizationPath) || kind !== 'workspaces') notFound(response);
    else if (id === undefined) page(response, url, this.workspaces);
    else if (part === undefined) this.one(response, id);
    else if (part === 'messages') page(response, url, this.messages);
    else if (request.headers.accept === 'text/event-stream') this.stream(request, response);
    else this.eventList(response, url);
  }

  private one(response: ServerResponse, id: string): void {
    const workspace = this.workspaces.find((entry) => entry.id === id);
    if (workspace === undefined) notFound(response);
    else json(response, 200, workspace);
  }

  private post(request: SeenRequest, response: ServerResponse): void {
    if (request.path === `${organizationPath}/workspaces`) {
      const workspace = {
        id: newId(this.workspaces.length + 1),
        state: 'provisioning',
        ...(request.body as object),
      };
      this.workspaces.push(workspace);
      json(response, 202, workspace);
      return;
    }
    const message = this.addMessage('user', (request.body as { text: string }).text, 'queued');
    json(response, 202, message);
    this.onMessage(message);
  }

  /** Stores a message of a person or of the agent. */
  addMessage(type: 'user' | 'agent', content: string, state: string): Message {
    const seq = this.messages.length + 1;
    const message: Message = { id: newId(0x100 + seq), seq, author: { type }, text: content, state };
    this.messages.push(message);
    return message;
  }

  private eventList(response: ServerResponse, url: URL): void {
    const after = Number(url.searchParams.get('after'));
    json(response, 200, { items: this.events.slice(after, after + 2), nextCursor: null });
  }

  private stream(request: SeenRequest, response: ServerResponse): void {
    const after = Number(request.headers['last-event-id']);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 100\n\n: hello\n\n');
    for (const event of this.events.slice(after)) response.write(frame(event));
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    this.onStream(after);
  }
}

/** A UUIDv7 of a fixed time that ends in the given number. */
export function newId(number: number): string {
  return `01890000-0000-7000-8000-0000${number.toString(16).padStart(8, '0')}`;
}

/** Answers with a problem document (RFC 9457). */
export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  more: object = {},
): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ status, code, title: code, detail, ...more }));
}

function notFound(response: ServerResponse): void {
  problem(response, 404, 'not-found', 'There is no such thing here.');
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function page(response: ServerResponse, url: URL, items: unknown[]): void {
  if (Number(url.searchParams.get('limit')) > 100) {
    problem(response, 422, 'validation-failed', 'The limit is too high.');
    return;
  }
  const from = Number(url.searchParams.get('cursor') ?? 0);
  json(response, 200, {
    items: items.slice(from, from + 2),
    nextCursor: from + 2 < items.length ? String(from + 2) : null,
  });
}

function frame(event: WorkspaceEvent): string {
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
