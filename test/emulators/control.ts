import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { messageOf } from '../../src/kernel/index.js';
import { readBody } from './answers.js';
import type { Emulator } from './emulator.js';
import type { FailureRule } from './failures.js';

const credentialSchema = z.strictObject({ credential: z.string().min(1) });
const releaseSchema = z.strictObject({ count: z.int().positive().default(1) });

/**
 * Answers `/_control/…`: `POST fail` (a failure rule), `POST reset`, `POST accept` and `POST revoke` (`{credential}`), `POST release`
 * (`{count?}`), `GET requests`. A body that makes no sense is a 400 that says what is wrong.
 */
export async function answerControl(
  emulator: Emulator,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const call = `${request.method ?? ''} ${request.url ?? ''}`;
  const text = await readBody(request);
  if (call === 'GET /_control/requests') {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ items: emulator.requests }));
    return;
  }
  const act = actions[call];
  if (!act) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end(`unknown control call: ${call}\n`);
    return;
  }
  try {
    act(emulator, text === '' ? {} : JSON.parse(text));
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(400, { 'content-type': 'text/plain' }).end(`${messageOf(error)}\n`);
  }
}

const actions: Record<string, (emulator: Emulator, body: unknown) => void> = {
  // fail() itself checks the rule.
  'POST /_control/fail': (emulator, body) => emulator.fail(body as FailureRule),
  'POST /_control/reset': (emulator) => emulator.reset(),
  'POST /_control/accept': (emulator, body) => emulator.accept(credentialSchema.parse(body).credential),
  'POST /_control/revoke': (emulator, body) => emulator.revoke(credentialSchema.parse(body).credential),
  'POST /_control/release': (emulator, body) => emulator.release(releaseSchema.parse(body).count),
};
