import { createHash } from 'node:crypto';
import type http from 'node:http';
import type { Lease } from '../../contracts/proxy.js';
import type { Limits } from '../limits.js';
import { send, textOf, type Answer, type Call } from './http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './proxy-under-test.js';

type Kind = Lease['secret'];

/** Credentials of each kind. Their texts share a part that must be found nowhere. */
export const OLD: Kind = { kind: 'claude_oauth', token: 'sk-ant-oat01-old-token-no-agent-may-see-0001' };
export const NEW: Kind = { kind: 'claude_oauth', token: 'sk-ant-oat01-new-token-no-agent-may-see-0002' };
export const KEY: Kind = {
  kind: 'anthropic_api_key',
  apiKey: 'sk-ant-api03-key-no-agent-may-see-0000003',
};
export const CHATGPT: Kind = {
  kind: 'openai_oauth',
  token: 'eyJ.chatgpt.token-no-agent-may-see',
  accountId: 'acc_1',
};
export const OPENAI: Kind = { kind: 'openai_api_key', apiKey: 'sk-proj-key-no-agent-may-see-00000004' };

/** Shorter than what the product waits, so that the ends of its bounds can be seen. */
const LIMITS: Partial<Limits> = { notYetSeconds: 0.01, holdSeconds: 20 };

/** A request as the upstream saw it. */
export interface Seen {
  url: string | undefined;
  headers: http.IncomingHttpHeaders;
  /** SHA-256 of its body. */
  digest: string;
  secret: string;
}

/** A proxy before an upstream that takes the credentials it was told to and refuses all others, in a text that repeats them. */
export class RefusingUpstream {
  readonly seen: Seen[] = [];
  readonly #good = new Set<string>();
  proxy!: ProxyUnderTest;
  /** What answers a request; by default `answer`. */
  respond: (one: Seen, response: http.ServerResponse) => void = (one, response) => this.answer(one, response);

  static async start(limits: Partial<Limits> = {}): Promise<RefusingUpstream> {
    const upstream = new RefusingUpstream();
    upstream.proxy = await startProxy((request, response) => void upstream.#take(request, response), {
      limits: { ...LIMITS, ...limits },
    });
    return upstream;
  }

  close(): Promise<void> {
    return this.proxy.close();
  }

  accept(...secrets: Kind[]): void {
    for (const secret of secrets) this.#good.add(textOfSecret(secret));
  }

  answer({ secret }: Seen, response: http.ServerResponse): void {
    const json = { 'content-type': 'application/json', 'request-id': 'req_9' };
    if (this.#good.has(secret)) {
      response.writeHead(200, json).end('{"model":"claude-x"}');
      return;
    }
    const error = { type: 'authentication_error', message: `bad ${secret}` };
    response.writeHead(401, json).end(JSON.stringify({ error }));
  }

  message(more: Partial<Call> = {}): Call {
    return {
      path: '/anthropic/v1/messages?beta=true',
      headers: { authorization: `Bearer ${PLACEHOLDER}`, 'anthropic-beta': 'one-2025' },
      body: '{"model":"claude-asked","messages":[]}',
      ...more,
    };
  }

  call(more: Partial<Call> = {}): Promise<Answer> {
    return send(this.proxy.socket, this.message(more));
  }

  generations(type: 'refused' | 'served'): number[] {
    return this.proxy.controlPlane.reports(type).map(({ generation }) => generation);
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const body = await textOf(request);
    const { url, headers } = request;
    const secret = String(headers['x-api-key'] ?? headers.authorization?.replace('Bearer ', ''));
    const one = { url, headers, digest: createHash('sha256').update(body).digest('hex'), secret };
    this.seen.push(one);
    this.respond(one, response);
  }
}

export function textOfSecret(secret: Kind): string {
  if (secret.kind === 'aws_bedrock') return secret.secretAccessKey;
  return 'token' in secret ? secret.token : secret.apiKey;
}
