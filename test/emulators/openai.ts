import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/kernel/index.js';
import { playFailure, readBody, sendHalf, sendJson } from './answers.js';
import { grantNamed, modelNamed, refreshTokenNamed, tokensIn } from './bodies.js';
import type { ModelEmulator, ModelEmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import { paceOf } from './gate.js';
import { bearerOf, type KnownCredentials } from './ledger.js';
import {
  askedIn,
  parseResponsesRequest,
  refuseInput,
  type OpenaiError,
  type ResponsesRequest,
} from './openai-input.js';
import { OpenaiLogins } from './openai-logins.js';
import { replyTo } from './openai-model.js';
import { responseEvents, wholeResponse, type ResponseFrame } from './openai-stream.js';
import { EmulatorServer } from './server.js';
import { sendStream } from './sse.js';

/** The OpenAI API, emulated: see README.md for what it refuses. */
export interface OpenaiEmulator extends ModelEmulator {
  readonly logins: OpenaiLogins;
}

const MODELS = ['gpt-6.1-sol', 'gpt-6-luna'];

/** created, in_progress, output_item.added, content_part.added and one delta: the cut falls inside the text. */
const EVENTS_BEFORE_CUT = 5;

const ERRORS: Record<number, Omit<OpenaiError, 'status' | 'param'>> = {
  400: { type: 'invalid_request_error', code: null, message: 'Invalid request.' },
  401: {
    type: 'invalid_request_error',
    code: 'token_expired',
    message: 'Provided authentication token is expired.',
  },
  403: {
    type: 'invalid_request_error',
    code: null,
    message: 'You have insufficient permissions for this operation.',
  },
  404: { type: 'invalid_request_error', code: null, message: 'Not found.' },
  429: { type: 'requests', code: 'rate_limit_exceeded', message: 'Rate limit reached for requests.' },
};
const SERVER_ERROR = {
  type: 'server_error',
  code: null,
  message: 'The server had an error while processing your request.',
};

/** Where logins of ChatGPT are served, below BERTH_CHATGPT_API_URL. */
const BACKEND = '/backend-api/codex';
const DEVICE_PATH = '/api/accounts/deviceauth/';

/** A login's token calls the backend alone; no refresh cures that (providers.md 4.5). */
const MISSING_SCOPES: OpenaiError = {
  status: 401,
  type: 'invalid_request_error',
  code: null,
  param: null,
  message: 'You have insufficient permissions for this operation. Missing scopes: api.responses.write.',
};

/** Starts the emulated OpenAI API on loopback. Rejects when the port is taken. */
export async function startOpenaiEmulator(options: ModelEmulatorOptions = {}): Promise<OpenaiEmulator> {
  const server: EmulatorServer<OpenaiLogins> = new EmulatorServer<OpenaiLogins>(
    options,
    (exchange) => new OpenaiCall(server, options, exchange).answer(),
    new OpenaiLogins(options.clock),
  );
  await server.listen(options.port ?? 0);
  return server;
}

const newId = (prefix: string): string => `${prefix}_${randomBytes(16).toString('hex')}`;

class OpenaiCall {
  readonly #requestId = newId('req');

  constructor(
    private readonly server: EmulatorServer<OpenaiLogins>,
    private readonly options: ModelEmulatorOptions,
    private readonly exchange: Exchange,
  ) {}

  async answer(): Promise<void> {
    const { entry, request } = this.exchange;
    const text = await readBody(request);
    entry.model = modelNamed(text);
    entry.asked = askedIn(text);
    entry.grant = entry.path.startsWith(DEVICE_PATH) ? 'device' : grantNamed(text);
    entry.refreshToken = refreshTokenNamed(text);
    const call = `${entry.method} ${entry.path}`;
    const takeFailure = (isMainCall: boolean): Failure | null => this.server.failures.take(entry, isMainCall);
    if (
      await this.server.logins.serve(
        this.exchange,
        () => takeFailure(false),
        text,
        errorBody(usualError(500)),
      )
    )
      return;
    const isResponses = entry.path.startsWith(BACKEND)
      ? call === `POST ${BACKEND}/responses`
      : call === 'POST /v1/responses';
    const failure = takeFailure(isResponses);
    if (failure && playFailure(this.exchange, failure, errorBody(usualError(failure.status)))) return;
    // 426 makes Codex fall back to plain HTTP at once; it tries a 404 seven times.
    if (request.headers.upgrade?.toLowerCase() === 'websocket') {
      this.sendError({ ...usualError(404), status: 426, message: 'This server does not speak WebSocket.' });
      return;
    }
    if (this.refuses()) return;
    if (isResponses) await this.responses(text, failure);
    else if (call === 'GET /v1/models' || call === `GET ${BACKEND}/models`) this.models();
    else this.sendError({ ...usualError(404), message: `Invalid URL (${entry.method} ${entry.path})` });
  }

  /** The API takes keys, and the ChatGPT backend logins that name their account (providers.md 4.5). Answers whom it refuses. */
  private refuses(): boolean {
    const { entry, request } = this.exchange;
    const bearer = bearerOf(request.headers);
    const login = this.server.logins.book.stateOf(bearer ?? '');
    if (!entry.path.startsWith(BACKEND)) {
      const refused = login ? MISSING_SCOPES : refuseBearer(bearer, this.server.credentials);
      if (refused) this.sendError(refused);
      return refused !== null;
    }
    const refused = login && this.server.logins.refusal(login.state);
    if (refused) this.sendError(refused);
    else if (login?.account.id !== request.headers['chatgpt-account-id'] || !login)
      sendJson(this.exchange, login ? 403 : 401, { detail: login ? 'Forbidden' : 'Unauthorized' });
    else return false;
    return true;
  }

  private async responses(text: string, failure: Failure | null): Promise<void> {
    const { body, refused: malformed } = parseResponsesRequest(text);
    if (!body) {
      this.sendError(malformed);
      return;
    }
    const refused = refuseInput(body);
    if (refused) this.sendError(refused);
    else await this.reply(text, body, failure);
  }

  private async reply(text: string, body: ResponsesRequest, failure: Failure | null): Promise<void> {
    const reply = replyTo(body);
    const frame: ResponseFrame = {
      responseId: newId('resp'),
      itemId: newId(reply.type === 'text' ? 'msg' : reply.type === 'function_call' ? 'fc' : 'ctc'),
      callId: newId('call'),
      model: body.model,
      createdAt: Math.floor((this.options.clock ?? systemClock).now().getTime() / 1000),
      inputTokens: tokensIn(text),
      outputTokens: tokensIn(reply.type === 'text' ? reply.pieces.join('') : reply.input),
    };
    const pace = paceOf(this.server.gate, this.options.pieceDelayMilliseconds);
    if (body.stream) {
      await sendStream(this.exchange, responseEvents(frame, reply, pace, this.exchange.signal), {
        headers: this.headers(),
        cutAfter: failure ? (failure.afterEvents ?? EVENTS_BEFORE_CUT) : null,
        compress: this.options.compress ?? false,
      });
      return;
    }
    if (reply.type === 'text' && reply.slow) {
      for (const _piece of reply.pieces) await pace.next(this.exchange.signal);
    }
    const response = wholeResponse(frame, reply);
    if (failure) await sendHalf(this.exchange, 'application/json', JSON.stringify(response));
    else sendJson(this.exchange, 200, response, this.headers());
  }

  private models(): void {
    const data = MODELS.map((id) => ({ id, object: 'model', created: 1_780_000_000, owned_by: 'openai' }));
    sendJson(this.exchange, 200, { object: 'list', data }, this.headers());
  }

  private headers(): Record<string, string> {
    return { 'x-request-id': this.#requestId };
  }

  private sendError(error: OpenaiError): void {
    sendJson(this.exchange, error.status, errorBody(error), this.headers());
  }
}

/** Only a bearer counts; a key nobody registered is named back, masked, as the real API does (so it may not be passed on). */
function refuseBearer(bearer: string | undefined, known: KnownCredentials): OpenaiError | null {
  const refusal = { status: 401, type: 'invalid_request_error', param: null };
  if (bearer === undefined) {
    const message =
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
    return { ...refusal, code: null, message };
  }
  if (known.knows(bearer)) return null;
  const message = `Incorrect API key provided: ${masked(bearer)}. You can find your API key at https://platform.openai.com/account/api-keys.`;
  return { ...refusal, code: 'invalid_api_key', message };
}

function masked(key: string): string {
  if (key.length <= 12) return '*'.repeat(key.length);
  return `${key.slice(0, 8)}${'*'.repeat(key.length - 12)}${key.slice(-4)}`;
}

function usualError(status: number): OpenaiError {
  return { ...(ERRORS[status] ?? SERVER_ERROR), status, param: null };
}

function errorBody({ message, type, param, code }: OpenaiError): object {
  return { error: { message, type, param, code } };
}
