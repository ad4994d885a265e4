import { randomBytes } from 'node:crypto';
import { playFailure, readBody, sendJson } from './answers.js';
import { messagesRequestSchema, parseBody, refuseToolPairs } from './anthropic-messages.js';
import { replyTo } from './anthropic-model.js';
import { messageEvents, wholeMessage } from './anthropic-stream.js';
import { tokensIn } from './bodies.js';
import type { Emulator, EmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import { paceOf } from './gate.js';
import { EmulatorServer } from './server.js';
import { sendStream } from './sse.js';

const PATH =
  /^\/v1\/projects\/acme\/locations\/europe-west1\/publishers\/anthropic\/models\/(claude-[\w.-]+(?:@\d{8})?):(rawPredict|streamRawPredict)$/;
const VERSION = 'vertex-2023-10-16';

/** Anthropic's models in Google's Vertex, project `acme` in `europe-west1`. 401 without a known bearer; 400 for a body that names a model, or no version of Vertex's; 404 for other paths. */
export async function startVertexEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const server: EmulatorServer<null> = new EmulatorServer<null>(
    options,
    (exchange) => answer(server, exchange),
    null,
  );
  await server.listen(options.port ?? 0);
  return server;
}

async function answer(server: EmulatorServer<null>, exchange: Exchange): Promise<void> {
  const { entry, request, signal } = exchange;
  const text = await readBody(request);
  const failure = server.failures.take(entry, true);
  if (failure && playFailure(exchange, failure, google(failure.status, 'INTERNAL'))) return;
  const [, model, method] = PATH.exec(entry.path) ?? [];
  const sent = JSON.parse(text || '{}') as Record<string, unknown>;
  if (model === undefined || entry.method !== 'POST') {
    sendJson(exchange, 404, google(404, 'NOT_FOUND'));
  } else if (entry.credential.kind !== 'bearer' || !server.credentials.knows(entry.credential.value)) {
    sendJson(exchange, 401, google(401, 'UNAUTHENTICATED'));
  } else if (sent.model !== undefined || sent.anthropic_version !== VERSION) {
    sendJson(exchange, 400, google(400, 'INVALID_ARGUMENT'));
  } else {
    const { body, refused } = parseBody(messagesRequestSchema, JSON.stringify({ ...sent, model }));
    const wrong = body ? refuseToolPairs(body.messages) : refused;
    if (!body || wrong) {
      sendJson(exchange, 400, { type: 'error', error: wrong });
      return;
    }
    const reply = replyTo(body);
    const newId = (prefix: string): string => `${prefix}_vrtx_${randomBytes(11).toString('hex')}`;
    const frame = {
      messageId: newId('msg'),
      toolUseId: newId('toolu'),
      model,
      inputTokens: tokensIn(text),
      outputTokens: 1,
    };
    if (method === 'rawPredict') sendJson(exchange, 200, wholeMessage(frame, reply));
    else {
      const events = messageEvents(frame, reply, paceOf(server.gate, undefined), signal);
      await sendStream(exchange, events, { headers: {}, cutAfter: null, compress: false });
    }
  }
}

function google(code: number, status: string): object {
  return { error: { code, message: `told: ${status}`, status } };
}
