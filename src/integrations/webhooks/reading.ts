import type { Request } from 'express';
import { externalSystemNames, type ExternalSystem } from '../../contracts/index.js';
import { objectionTo } from '../../http/index.js';
import { BerthError } from '../../kernel/index.js';

/** Names of events, of actions and of deliveries; nothing else of a header is kept. */
const NAME = /^[\w.-]{1,100}$/;

/** The bytes as they came. Empty where there was no body. */
export function bytesOf(request: Request): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

/** Says nothing of what was sent, and nothing of what would have been right. */
export function notSigned(system: ExternalSystem): BerthError {
  return new BerthError(
    'unauthenticated',
    `The signature is not ${externalSystemNames[system]}'s. Nothing was taken.`,
  );
}

export function notSetUp(system: ExternalSystem): BerthError {
  const name = externalSystemNames[system];
  return new BerthError('not-found', `${name} is not set up at this Berth: it has no webhook secret.`);
}

/** A proven body as what it says. Throws `malformed-json`. */
export function objectOf(bytes: Buffer): { text: string; body: Record<string, unknown> } {
  const objection = objectionTo(bytes, 'utf-8');
  if (objection === 'body.too-deep')
    throw new BerthError(
      'malformed-json',
      'The delivery is nested more than 64 levels deep, the limit of this server.',
    );
  if (objection)
    throw new BerthError('malformed-json', 'The delivery is not valid UTF-8, in which JSON is written.');
  const text = bytes.toString('utf8');
  const body = parsed(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new BerthError('malformed-json', 'The delivery is no JSON object.');
  return { text, body: body as Record<string, unknown> };
}

/** Throws `bad-request` when it is no name: without one nothing is known to be the same again. */
export function nameIn(request: Request, header: string): string {
  const name = request.get(header) ?? '';
  if (!NAME.test(name))
    throw new BerthError('bad-request', `The delivery has no ${header}, or one that is no name.`);
  return name;
}

/** A field that is a name; null for whatever else. New ones appear at any time. */
export function nameOf(value: unknown): string | null {
  return typeof value === 'string' && NAME.test(value) ? value : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BerthError('malformed-json', 'The delivery is not valid JSON.', { cause: error });
  }
}
