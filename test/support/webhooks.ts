import { createHmac, randomUUID } from 'node:crypto';
import type { ExternalSystem } from '../../src/contracts/index.js';

/** A delivery as its system sends it. */
export interface SignedDelivery {
  path: string;
  headers: Record<string, string>;
  body: string;
}

const digestOf = (secret: string, body: string): string =>
  createHmac('sha256', secret).update(body).digest('hex');

export function fromGithub(
  secret: string,
  event: string,
  payload: object,
  deliveryId: string = randomUUID(),
): SignedDelivery {
  const body = JSON.stringify(payload);
  return {
    path: '/webhooks/github',
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': deliveryId,
      'x-hub-signature-256': `sha256=${digestOf(secret, body)}`,
    },
    body,
  };
}

/** `webhookTimestamp` is the payload's own where it has one. */
export function fromLinear(
  secret: string,
  payload: { type?: string; [field: string]: unknown },
  { deliveryId = randomUUID(), at = Date.now() }: { deliveryId?: string; at?: number } = {},
): SignedDelivery {
  const body = JSON.stringify({ ...payload, webhookTimestamp: at });
  return {
    path: '/webhooks/linear',
    headers: {
      'content-type': 'application/json',
      'linear-delivery': deliveryId,
      'linear-event': payload.type ?? 'AgentSessionEvent',
      'linear-signature': digestOf(secret, body),
    },
    body,
  };
}

/** Signs a text, whatever it is, as the system would. */
export function signed(system: ExternalSystem, secret: string, body: string): SignedDelivery {
  const { path, headers } = system === 'github' ? fromGithub(secret, 'ping', {}) : fromLinear(secret, {});
  const digest = digestOf(secret, body);
  const signature: Record<string, string> =
    system === 'github' ? { 'x-hub-signature-256': `sha256=${digest}` } : { 'linear-signature': digest };
  return { path, headers: { ...headers, ...signature }, body };
}

/** Sends it as it stands. */
export async function deliver(
  url: string,
  { path, headers, body }: SignedDelivery,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body });
  return { status: response.status, text: await response.text() };
}
