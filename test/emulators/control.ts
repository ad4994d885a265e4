import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { messageOf } from '../../src/kernel/index.js';
import { readBody } from './answers.js';
import type { Emulator } from './emulator.js';
import type { FailureRule } from './failures.js';
import type { Logins } from './logins.js';

const credentialSchema = z.strictObject({ credential: z.string().min(1) });
const releaseSchema = z.strictObject({ count: z.int().positive().default(1) });
const lineageSchema = z.strictObject({ lineage: z.string().optional() });
const settingsSchema = z.strictObject({
  accessSeconds: z.number().positive().optional(),
  loginSeconds: z.number().positive().optional(),
  graceSeconds: z.number().min(0).optional(),
});

/** An emulator, and its logins where it has some. */
type Controlled = Emulator & { readonly logins: Logins | null };

/** What it answers is sent as JSON; nothing is a 204. */
type Action = (emulator: Controlled, body: unknown) => unknown;

/** A call that one emulator has besides the common ones. */
export type Control = (body: unknown) => unknown;

/**
 * Answers `/_control/…`: see README.md for the calls. A body that makes no sense is a 400 that says what is wrong.
 */
export async function answerControl(
  emulator: Controlled,
  request: IncomingMessage,
  response: ServerResponse,
  own: Record<string, Control> = {},
): Promise<void> {
  const call = `${request.method ?? ''} ${request.url ?? ''}`;
  const text = await readBody(request);
  const [act, ownAct] = [actions[call], own[call]];
  if (!act && !ownAct) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end(`unknown control call: ${call}\n`);
    return;
  }
  try {
    const body: unknown = text === '' ? {} : JSON.parse(text);
    const answer = await (act ? act(emulator, body) : ownAct?.(body));
    if (answer === undefined) response.writeHead(204).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  } catch (error) {
    response.writeHead(400, { 'content-type': 'text/plain' }).end(`${messageOf(error)}\n`);
  }
}

function loginsOf({ logins }: Controlled): Logins {
  if (!logins) throw new Error('this emulator has no logins');
  return logins;
}

const actions: Record<string, Action> = {
  'GET /_control/requests': ({ requests }) => ({ items: requests }),
  // fail() itself checks the rule.
  'POST /_control/fail': (emulator, body) => emulator.fail(body as FailureRule),
  'POST /_control/reset': (emulator) => emulator.reset(),
  'POST /_control/accept': (emulator, body) => emulator.accept(credentialSchema.parse(body).credential),
  'POST /_control/revoke': (emulator, body) => emulator.revoke(credentialSchema.parse(body).credential),
  'POST /_control/release': (emulator, body) => emulator.release(releaseSchema.parse(body).count),
  'GET /_control/logins': (emulator) => {
    const { calls, book, settings, held } = loginsOf(emulator);
    return { calls, lineages: book.lineages, settings, held };
  },
  'POST /_control/logins/issue': (emulator) => loginsOf(emulator).issue(),
  'POST /_control/logins/configure': (emulator, body) =>
    loginsOf(emulator).configure(settingsSchema.parse(body)),
  'POST /_control/logins/revoke': (emulator, body) =>
    loginsOf(emulator).book.revokeLiving(lineageSchema.parse(body).lineage),
  'POST /_control/logins/end': (emulator, body) =>
    loginsOf(emulator).book.end(lineageSchema.parse(body).lineage),
  'POST /_control/logins/release': (emulator, body) =>
    loginsOf(emulator).release(releaseSchema.parse(body).count),
};
