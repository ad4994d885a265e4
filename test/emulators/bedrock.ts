import { randomBytes, randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../src/kernel/index.js';
import { playFailure, readBody, sendHalf, sendJson } from './answers.js';
import {
  askedIn,
  countTokensRequestSchema,
  messagesRequestSchema,
  parseBody,
  refuseToolPairs,
  type MessagesRequest,
} from './anthropic-messages.js';
import { replyTo } from './anthropic-model.js';
import { messageEvents, wholeMessage, type MessageFrame } from './anthropic-stream.js';
import { statuses, validation, type BedrockError } from './bedrock-errors.js';
import { AwsKeys, type AwsKey } from './bedrock-keys.js';
import { nameOf, refuseFields, refuseModel } from './bedrock-models.js';
import { tokensIn } from './bodies.js';
import type { Emulator, EmulatorOptions, ModelEmulatorOptions } from './emulator.js';
import { awsEventStream } from './event-frames.js';
import type { Exchange } from './exchange.js';
import type { Failure, FailureRule } from './failures.js';
import { paceOf, type Pace } from './gate.js';
import { EmulatorServer } from './server.js';
import { sendStream, type StreamEvent } from './sse.js';

/** AWS Bedrock's runtime in one region, emulated: see README.md for what it refuses. */
export interface BedrockEmulator extends Emulator {
  readonly region: string;
  readonly keys: AwsKeys;
  /** How many slow answers wait for `release()` now. */
  readonly waiting: number;
  /** Plays an error of AWS's by its code for the next fitting requests. */
  failWith(
    code: string,
    rule?: Omit<FailureRule, 'status' | 'headers' | 'body'> & { message?: string },
  ): void;
}

export interface BedrockEmulatorOptions
  extends EmulatorOptions, Pick<ModelEmulatorOptions, 'pieceDelayMilliseconds'> {
  /** `us-east-1` by default. */
  region?: string;
}

/** message_start, content_block_start and one delta: the cut falls inside the first block. */
const EVENTS_BEFORE_CUT = 3;

const PATH = /^\/model\/([^/]+)\/(invoke|invoke-with-response-stream|count-tokens)$/;

class BedrockServer extends EmulatorServer<null> implements BedrockEmulator {
  readonly keys = new AwsKeys();
  readonly time: Clock;
  readonly region: string;
  readonly pace: Pace;

  constructor(options: BedrockEmulatorOptions) {
    super(options, (exchange) => new BedrockCall(this, exchange).answer(), null);
    this.time = options.clock ?? systemClock;
    this.pace = paceOf(this.gate, options.pieceDelayMilliseconds);
    this.region = options.region ?? 'us-east-1';
  }

  override revoke(credential: string): void {
    this.keys.revoke(credential);
  }

  failWith(
    code: string,
    { message = `told: ${code}`, ...rule }: Parameters<BedrockEmulator['failWith']>[1] = {},
  ): void {
    const headers = { 'x-amzn-errortype': `${code}:http://internal.amazon.com/coral/com.amazon.bedrock/` };
    this.fail({ ...rule, status: statuses[code] ?? 400, headers, body: { message } });
  }
}

/** Starts the emulated Bedrock on loopback. Rejects when the port is taken. */
export async function startBedrockEmulator(options: BedrockEmulatorOptions = {}): Promise<BedrockEmulator> {
  const server = new BedrockServer(options);
  await server.listen(options.port ?? 0);
  return server;
}

export type { AwsKey };

class BedrockCall {
  readonly #requestId = randomUUID();

  constructor(
    private readonly server: BedrockServer,
    private readonly exchange: Exchange,
  ) {}

  async answer(): Promise<void> {
    const { entry, request } = this.exchange;
    const text = await readBody(request);
    const [, encodedId = '', operation = ''] = PATH.exec(entry.path) ?? [];
    const id = decodeURIComponent(encodedId);
    entry.model = id || null;
    const isCount = operation === 'count-tokens';
    const told = asMessages(text, id, operation === 'invoke-with-response-stream');
    entry.asked = isCount ? null : askedIn(told);
    const isMain = entry.method === 'POST' && operation.startsWith('invoke');
    const failure = this.server.failures.take(entry, isMain);
    if (failure && playFailure(this.exchange, failure, { message: 'Internal server error' })) return;
    const signed = {
      method: entry.method,
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.from(text),
    };
    const refused =
      this.server.keys.refuse(signed, this.server.region, this.server.time.now()) ??
      (operation === '' ? { code: 'UnknownOperationException', message: 'Unknown operation' } : null) ??
      refuseModel(id, this.server.region, isCount);
    if (refused) this.sendError(refused);
    else if (isCount) this.count(text);
    else await this.invoke(text, told, failure);
  }

  private async invoke(text: string, told: string, failure: Failure | null): Promise<void> {
    const { body, refused } = parseBody(messagesRequestSchema, told);
    const wrong =
      refuseFields(fieldsOf(text)) ??
      messageOf(refused) ??
      (body && messageOf(refuseToolPairs(body.messages)));
    if (!body || wrong) this.sendError(wrong ?? validation('Malformed input request'));
    else await this.reply(text, body, failure);
  }

  private async reply(text: string, body: MessagesRequest, failure: Failure | null): Promise<void> {
    const reply = replyTo(body);
    const said = reply.type === 'text' ? reply.pieces.join('') : JSON.stringify(reply.input);
    const frame: MessageFrame = {
      messageId: newId('msg_bdrk'),
      toolUseId: newId('toolu_bdrk'),
      model: nameOf(body.model),
      inputTokens: tokensIn(text),
      outputTokens: tokensIn(said),
    };
    if (!body.stream) {
      const message = wholeMessage(frame, reply);
      if (failure) await sendHalf(this.exchange, 'application/json', JSON.stringify(message));
      else sendJson(this.exchange, 200, message, this.headers());
      return;
    }
    const events = withoutPings(messageEvents(frame, reply, this.server.pace, this.exchange.signal));
    const after = failure ? (failure.afterEvents ?? EVENTS_BEFORE_CUT) : null;
    const isTold = failure?.mode === 'error-mid-stream';
    await sendStream(this.exchange, isTold ? ending(events, after ?? 0, failure.body) : events, {
      format: awsEventStream,
      headers: this.headers(),
      cutAfter: isTold ? null : after,
      compress: false,
    });
  }

  private count(text: string): void {
    const { input } = fieldsOf(text) as { input?: { invokeModel?: { body?: string } } };
    const counted = Buffer.from(input?.invokeModel?.body ?? '', 'base64').toString('utf8');
    const { body, refused } = parseBody(countTokensRequestSchema, asMessages(counted, 'counted', false));
    const wrong = refuseFields(fieldsOf(counted)) ?? messageOf(refused);
    if (!body || wrong) this.sendError(wrong ?? validation('Malformed input request'));
    else sendJson(this.exchange, 200, { inputTokens: tokensIn(counted) }, this.headers());
  }

  private headers(): Record<string, string> {
    return { 'x-amzn-requestid': this.#requestId };
  }

  private sendError({ code, message }: BedrockError): void {
    const headers = { ...this.headers(), 'x-amzn-errortype': code };
    sendJson(this.exchange, statuses[code] ?? 400, { message }, headers);
  }
}

/** The body as Anthropic's own API would have it, which the model is asked with. */
function asMessages(text: string, model: string, stream: boolean): string {
  return JSON.stringify({ ...fieldsOf(text), model, stream });
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const json = JSON.parse(text) as unknown;
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function messageOf(error: { message: string } | null | undefined): BedrockError | null {
  return error ? validation(error.message) : null;
}

/** Bedrock sends none. */
async function* withoutPings(events: AsyncIterable<StreamEvent>): AsyncGenerator<StreamEvent> {
  for await (const event of events) if (event.event !== 'ping') yield event;
}

async function* ending(
  events: AsyncIterable<StreamEvent>,
  after: number,
  error: unknown,
): AsyncGenerator<StreamEvent> {
  let sent = 0;
  for await (const event of events) {
    if (sent === after) break;
    yield event;
    sent += 1;
  }
  yield { event: 'exception', data: error as object };
}

const newId = (prefix: string): string => `${prefix}_01${randomBytes(11).toString('hex')}`;
