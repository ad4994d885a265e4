import { randomBytes } from 'node:crypto';
import { playFailure, readBody, sendHalf, sendJson } from './answers.js';
import { refuseCredential, refuseForeignClient, type AnthropicError } from './anthropic-auth.js';
import {
  countTokensRequestSchema,
  askedIn,
  messagesRequestSchema,
  parseBody,
  refuseToolPairs,
  type MessagesRequest,
} from './anthropic-messages.js';
import { replyTo } from './anthropic-model.js';
import { messageEvents, wholeMessage, type MessageFrame } from './anthropic-stream.js';
import { grantNamed, modelNamed, refreshTokenNamed, tokensIn } from './bodies.js';
import { ClaudeLogins, TOKEN_PATH } from './claude-logins.js';
import type { ModelEmulator, ModelEmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import { paceOf } from './gate.js';
import { EmulatorServer } from './server.js';
import { sendStream } from './sse.js';

/** The Anthropic API, emulated: see README.md for what it refuses. */
export interface AnthropicEmulator extends ModelEmulator {
  readonly logins: ClaudeLogins;
}

const MODELS = ['claude-opus-4-8', 'claude-sonnet-4-5', 'claude-haiku-4-5'];

/** message_start, content_block_start, ping and one delta: the cut falls inside the first block. */
const EVENTS_BEFORE_CUT = 4;

const ERROR_TYPES: Record<number, [type: string, message: string]> = {
  400: ['invalid_request_error', 'Error'],
  401: ['authentication_error', 'Invalid authentication credentials'],
  402: ['billing_error', 'Your credit balance is too low to access the Anthropic API.'],
  403: ['permission_error', 'OAuth token has been revoked. Please obtain a new token.'],
  404: ['not_found_error', 'Not found'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: ['rate_limit_error', 'This request would exceed your account rate limit.'],
  504: ['timeout_error', 'The request timed out.'],
  529: ['overloaded_error', 'Overloaded'],
};

/** What the token endpoint says with a status that a failure gives it. */
const SERVER_ERROR = { error: 'server_error' };

/** Tokens that serve models alone may not read who they belong to. */
const SCOPE_MISSING: AnthropicError = {
  status: 403,
  type: 'permission_error',
  message: 'OAuth token does not meet scope requirement: user:profile',
};

/** Starts the emulated Anthropic API on loopback. Rejects when the port is taken. */
export async function startAnthropicEmulator(options: ModelEmulatorOptions = {}): Promise<AnthropicEmulator> {
  const server: EmulatorServer<ClaudeLogins> = new EmulatorServer<ClaudeLogins>(
    options,
    (exchange) => new AnthropicCall(server, options, exchange).answer(),
    new ClaudeLogins(options.clock),
  );
  await server.listen(options.port ?? 0);
  return server;
}

const newId = (prefix: string): string => `${prefix}_01${randomBytes(11).toString('hex')}`;

class AnthropicCall {
  readonly #requestId = newId('req');

  constructor(
    private readonly server: EmulatorServer<ClaudeLogins>,
    private readonly options: ModelEmulatorOptions,
    private readonly exchange: Exchange,
  ) {}

  async answer(): Promise<void> {
    const { entry, request } = this.exchange;
    const text = await readBody(request);
    entry.model = modelNamed(text);
    entry.asked = askedIn(text);
    const call = `${entry.method} ${entry.path}`;
    if (call === `POST ${TOKEN_PATH}`) {
      entry.grant = grantNamed(text);
      entry.refreshToken = refreshTokenNamed(text);
      await this.server.logins.token(
        this.exchange,
        this.server.failures.take(entry, false),
        text,
        SERVER_ERROR,
      );
      return;
    }
    if (this.server.logins.isPage(entry)) {
      this.server.logins.page(this.exchange);
      return;
    }
    const failure = this.server.failures.take(entry, call === 'POST /v1/messages');
    if (failure && playFailure(this.exchange, failure, this.errorBody(usualError(failure.status)))) return;
    if (call === 'HEAD /' || call === 'HEAD /api/hello') {
      this.send(200, {});
      return;
    }
    const refused =
      refuseCredential(entry.credential, request.headers, this.server.credentials, this.server.logins) ??
      this.refuseVersion();
    if (refused) {
      this.sendError(refused);
      return;
    }
    await this.serve(call, text, failure);
  }

  private async serve(call: string, text: string, failure: Failure | null): Promise<void> {
    switch (call) {
      case 'POST /v1/messages':
        await this.messages(text, failure);
        break;
      case 'POST /v1/messages/count_tokens':
        this.countTokens(text);
        break;
      case 'GET /v1/models':
        this.models();
        break;
      case 'GET /api/oauth/profile':
      case 'GET /api/oauth/usage':
        this.sendError(SCOPE_MISSING);
        break;
      default:
        this.sendError({ status: 404, type: 'not_found_error', message: 'Not found' });
    }
  }

  private refuseVersion(): AnthropicError | null {
    const version = this.exchange.request.headers['anthropic-version'];
    if (version === '2023-06-01') return null;
    const message =
      version === undefined
        ? 'anthropic-version: header is required'
        : `anthropic-version: "${String(version)}" is not a valid version`;
    return { status: 400, type: 'invalid_request_error', message };
  }

  private async messages(text: string, failure: Failure | null): Promise<void> {
    const { body, refused: malformed } = parseBody(messagesRequestSchema, text);
    if (!body) {
      this.sendError(malformed);
      return;
    }
    const refused =
      refuseForeignClient(this.exchange.entry.credential, body.model, body.system, this.server.logins) ??
      refuseToolPairs(body.messages);
    if (refused) this.sendError(refused);
    else await this.reply(text, body, failure);
  }

  private async reply(text: string, body: MessagesRequest, failure: Failure | null): Promise<void> {
    const reply = replyTo(body);
    const said = reply.type === 'text' ? reply.pieces.join('') : JSON.stringify(reply.input);
    const frame: MessageFrame = {
      messageId: newId('msg'),
      toolUseId: newId('toolu'),
      model: body.model,
      inputTokens: tokensIn(text),
      outputTokens: tokensIn(said),
    };
    this.exchange.entry.tokens = { input: frame.inputTokens, output: frame.outputTokens };
    const pace = paceOf(this.server.gate, this.options.pieceDelayMilliseconds);
    if (body.stream) {
      await sendStream(this.exchange, messageEvents(frame, reply, pace, this.exchange.signal), {
        headers: this.headers(),
        cutAfter: failure ? (failure.afterEvents ?? EVENTS_BEFORE_CUT) : null,
        compress: this.options.compress ?? false,
      });
      return;
    }
    if (reply.type === 'text' && reply.slow) {
      for (const _piece of reply.pieces) await pace.next(this.exchange.signal);
    }
    const message = wholeMessage(frame, reply);
    if (failure) await sendHalf(this.exchange, 'application/json', JSON.stringify(message));
    else this.send(200, message);
  }

  private countTokens(text: string): void {
    const { body, refused } = parseBody(countTokensRequestSchema, text);
    if (body) this.send(200, { input_tokens: tokensIn(text) });
    else this.sendError(refused);
  }

  private models(): void {
    const data = MODELS.map((id) => ({
      type: 'model',
      id,
      display_name: id,
      created_at: '2025-09-29T00:00:00Z',
    }));
    this.send(200, { data, has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) });
  }

  private headers(): Record<string, string> {
    return { 'request-id': this.#requestId };
  }

  private send(status: number, body: object): void {
    sendJson(this.exchange, status, body, this.headers());
  }

  private sendError(error: AnthropicError): void {
    this.send(error.status, this.errorBody(error));
  }

  private errorBody({ type, message }: Pick<AnthropicError, 'type' | 'message'>): object {
    return { type: 'error', error: { type, message }, request_id: this.#requestId };
  }
}

function usualError(status: number): { type: string; message: string } {
  const [type, message] = ERROR_TYPES[status] ?? ['api_error', 'Internal server error'];
  return { type, message };
}
