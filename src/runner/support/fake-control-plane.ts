import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import {
  claimRequestSchema,
  commandsRequestSchema,
  reportRequestSchema,
  runnerHelloSchema,
  runnerPaths,
  type ClaimedTurn,
  type RunnerAssignment,
  type RunnerItem,
} from '../../contracts/runner.js';

type Handler = (body: unknown) => Promise<object | null>;

/** A control plane for tests: the runner's wire, checked with the real schemas, with everything in memory. */
export class FakeControlPlane {
  /** Facts as stored: in order, each number once per runner. */
  readonly items: RunnerItem[] = [];
  readonly runnerIds: string[] = [];
  /** Requests that did not fit the wire. */
  readonly violations: string[] = [];
  /** Turns not yet claimed. */
  readonly turns: ClaimedTurn[] = [];
  readonly cancel = new Set<string>();
  stop = false;
  /** Status to answer everything with instead, or null. */
  broken: number | null = null;
  token: string;
  url = '';
  #stored = 0;
  #server = createServer((request, response) => void this.#answer(request, response));
  #port = 0;

  constructor(
    token: string,
    private readonly assignment: RunnerAssignment,
  ) {
    this.token = token;
  }

  async listen(): Promise<void> {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}`;
  }

  /** Goes away; `listen` comes back on the same port. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Facts of one type, as stored so far. */
  of<T extends RunnerItem['type']>(type: T): Extract<RunnerItem, { type: T }>[] {
    return this.items.filter((item): item is Extract<RunnerItem, { type: T }> => item.type === type);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const handler = this.#handlers[request.url ?? ''];
    const body = await read(request);
    if (this.broken !== null) {
      send(response, this.broken, null);
      return;
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      send(response, 401, null);
      return;
    }
    if (handler === undefined) {
      send(response, 404, null);
      return;
    }
    try {
      const answer = await handler(JSON.parse(body));
      send(response, answer === null ? 204 : 200, answer);
    } catch (error) {
      this.violations.push(
        `${request.url ?? ''}: ${error instanceof z.ZodError ? error.message : String(error)}`,
      );
      send(response, 422, null);
    }
  }

  readonly #handlers: Record<string, Handler> = {
    [runnerPaths.hello]: (body) => {
      this.runnerIds.push(runnerHelloSchema.parse(body).runnerId);
      this.#stored = 0;
      return Promise.resolve(this.assignment);
    },
    [runnerPaths.claim]: async (body) => {
      claimRequestSchema.parse(body);
      await briefly(() => this.turns.length > 0);
      return this.turns.shift() ?? null;
    },
    [runnerPaths.report]: (body) => {
      const { items } = reportRequestSchema.parse(body);
      for (const item of items) {
        if (item.n <= this.#stored) continue;
        if (item.n !== this.#stored + 1) throw new Error(`number ${item.n} after ${this.#stored}`);
        this.#stored = item.n;
        this.items.push(item);
      }
      return Promise.resolve({ acknowledged: this.#stored, retryAfterSeconds: 0 });
    },
    [runnerPaths.commands]: async (body) => {
      const { canceling } = commandsRequestSchema.parse(body);
      const news = (): string[] => [...this.cancel].filter((id) => !canceling.includes(id));
      await briefly(() => this.stop || news().length > 0);
      return { cancel: news(), stop: this.stop };
    },
  };
}

/** A short long-poll, so that tests see changes soon. */
async function briefly(ready: () => boolean): Promise<void> {
  for (let tries = 0; tries < 50 && !ready(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: object | null): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === null ? '' : JSON.stringify(body));
}
