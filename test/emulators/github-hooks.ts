import { createHmac, randomUUID } from 'node:crypto';
import type { Clock } from '../../src/kernel/index.js';
import { appOf } from './github-access.js';
import {
  GithubRefusal,
  notFound,
  numberOf,
  route,
  type GithubAnswer,
  type GithubCall,
  type GithubRoute,
} from './github-call.js';
import type { GithubApp, GithubWorld } from './github-world.js';

/** GitHub waits so long for an answer. */
const ANSWER_MS = 10_000;
const REDELIVERED_FOR_MS = 3 * 86_400_000;

/** One attempt to deliver an event. A redelivery is a new one with the same guid. */
export interface GithubDelivery {
  id: number;
  appId: number;
  /** `X-GitHub-Delivery`. */
  guid: string;
  deliveredAt: string;
  redelivery: boolean;
  /** Seconds. */
  duration: number;
  status: string;
  /** 0 when nobody answered. */
  statusCode: number;
  event: string;
  action: string | null;
  installationId: number | null;
  repositoryId: number | null;
  /** The bytes that were posted. */
  body: string;
  /** What was answered. */
  answer: string;
}

/** How an event is posted, where it should be posted otherwise than rightly. */
export interface DeliverOptions {
  /** The App; default: the only one there is. */
  app?: GithubApp;
  guid?: string;
  /** Sign with another secret, or send this signature as it is; null: none. */
  secret?: string;
  signature?: string | null;
  headers?: Record<string, string>;
}

/** Posts events to Apps, signed, and keeps how it went. Nothing is tried again by itself. */
export class GithubHooks {
  readonly deliveries: GithubDelivery[] = [];

  constructor(
    private readonly world: GithubWorld,
    private readonly clock: Clock,
  ) {}

  /** Posts an event; a text goes out as these bytes. Resolves when it was answered, or nobody did. */
  async deliver(event: string, body: unknown, options: DeliverOptions = {}): Promise<GithubDelivery> {
    const app = options.app ?? this.#onlyApp();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.#post(app, event, text, { ...options, guid: options.guid ?? randomUUID() }, false);
  }

  /** Posts again what was posted before, under the same guid. */
  redeliver({ appId, event, body, guid }: GithubDelivery): Promise<GithubDelivery> {
    const app = this.world.apps.get(appId) ?? this.#onlyApp();
    return this.#post(app, event, body, { guid }, true);
  }

  routes(): GithubRoute[] {
    const own = (call: GithubCall): GithubDelivery => {
      const app = appOf(call);
      const found = this.deliveries.find(({ id, appId }) => id === numberOf(call, 'id') && appId === app.id);
      if (!found) throw notFound();
      return found;
    };
    return [
      route('GET /app/hook/deliveries', (call) => this.#list(call)),
      route('GET /app/hook/deliveries/:id', (call) => {
        const delivery = own(call);
        const request = { headers: {}, payload: parsed(delivery.body) };
        return {
          status: 200,
          body: { ...viewOf(delivery), request, response: { payload: delivery.answer } },
        };
      }),
      route('POST /app/hook/deliveries/:id/attempts', (call) => {
        const delivery = own(call);
        if (Date.parse(delivery.deliveredAt) < this.clock.now().getTime() - REDELIVERED_FOR_MS)
          throw new GithubRefusal(422, 'The delivery is too old to be redelivered.');
        // GitHub answers before it delivers.
        void this.redeliver(delivery);
        return { status: 202, body: {} };
      }),
    ];
  }

  #list(call: GithubCall): GithubAnswer {
    const app = appOf(call);
    const size = Math.min(100, Number(call.query.get('per_page') ?? 30) || 30);
    const status = call.query.get('status');
    const cursor = call.query.get('cursor');
    const all = this.deliveries
      .filter(
        ({ appId, statusCode }) =>
          appId === app.id && (status === null || (status === 'success') === isSuccess(statusCode)),
      )
      .reverse()
      .filter(({ id }) => cursor === null || id < Number(cursor));
    const items = all.slice(0, size);
    const last = items.at(-1);
    const query = new URLSearchParams(call.query);
    if (last) query.set('cursor', String(last.id));
    const origin = `http://${call.entry.headers.host ?? '127.0.0.1'}`;
    const link = `<${origin}${call.entry.path}?${query.toString()}>; rel="next"`;
    return { status: 200, body: items.map(viewOf), headers: all.length > size ? { link } : {} };
  }

  async #post(
    app: GithubApp,
    event: string,
    body: string,
    options: DeliverOptions & { guid: string },
    redelivery: boolean,
  ): Promise<GithubDelivery> {
    const payload = parsed(body) as Partial<Record<string, { id?: number }>> | null;
    const began = this.clock.now();
    const answered = await post(app, event, body, options);
    const action: unknown = payload?.action;
    const delivery: GithubDelivery = {
      id: this.world.nextId(),
      appId: app.id,
      guid: options.guid,
      deliveredAt: began.toISOString(),
      redelivery,
      duration: (this.clock.now().getTime() - began.getTime()) / 1000,
      status: isSuccess(answered.code) ? 'OK' : answered.text.slice(0, 200),
      statusCode: answered.code,
      event,
      action: typeof action === 'string' ? action : null,
      installationId: payload?.installation?.id ?? null,
      repositoryId: payload?.repository?.id ?? null,
      body,
      answer: answered.text,
    };
    this.deliveries.push(delivery);
    return delivery;
  }

  #onlyApp(): GithubApp {
    const [app, other] = [...this.world.apps.values()];
    if (!app) throw new Error('There is no App yet; Berth makes one ("berth integrations github connect").');
    if (other) throw new Error('Say which App the event is for.');
    return app;
  }
}

async function post(
  app: GithubApp,
  event: string,
  body: string,
  { guid, secret, signature, headers }: DeliverOptions & { guid: string },
): Promise<{ code: number; text: string }> {
  if (app.hookUrl === null) return { code: 0, text: 'the App has no hook' };
  const key = secret ?? app.webhookSecret;
  const signed =
    signature === undefined
      ? key === null
        ? null
        : `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
      : signature;
  try {
    const answer = await fetch(app.hookUrl, {
      method: 'POST',
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: 'manual',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'GitHub-Hookshot/emulated',
        'x-github-event': event,
        'x-github-delivery': guid,
        'x-github-hook-id': String(app.id),
        'x-github-hook-installation-target-type': 'integration',
        'x-github-hook-installation-target-id': String(app.id),
        ...(signed === null ? {} : { 'x-hub-signature-256': signed }),
        ...headers,
      },
    });
    return { code: answer.status, text: await answer.text() };
  } catch {
    return { code: 0, text: 'failed to connect to host, or it did not answer in time' };
  }
}

function isSuccess(code: number): boolean {
  return code >= 200 && code < 300;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function viewOf(delivery: GithubDelivery): Record<string, unknown> {
  const { id, guid, deliveredAt, redelivery, duration, status, statusCode } = delivery;
  return {
    id,
    guid,
    delivered_at: deliveredAt,
    redelivery,
    duration,
    status,
    status_code: statusCode,
    event: delivery.event,
    action: delivery.action,
    installation_id: delivery.installationId,
    repository_id: delivery.repositoryId,
    throttled_at: null,
  };
}
