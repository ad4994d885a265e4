import { BerthError } from '../../../kernel/index.js';
import { headerTokens, type HeaderList } from '../../headers.js';
import { jsonOf } from '../../json.js';
import { bedrockBetas } from './betas.js';
import { bedrockModel, withoutGeography } from './models.js';

/** A call of the Messages API in Bedrock's words, without its signature. */
export interface BedrockRequest {
  path: string;
  accept: string;
  body: Buffer;
}

const VERSION = 'bedrock-2023-05-31';
const EVENT_STREAM = 'application/vnd.amazon.eventstream';
const JSON_TYPE = 'application/json';

export interface AskedModel {
  region: string;
  models: Readonly<Record<string, string>>;
}

/**
 * `POST /v1/messages`: the model goes into the path, whether it streams too, and betas into the body (providers.md 5.1). All other fields stay. Throws BerthError `bad-request` for what is no
 * such call.
 */
export function messagesRequest(headers: HeaderList, body: Buffer | null, asked: AskedModel): BedrockRequest {
  const { model, stream, ...rest } = parsedCall(body);
  const id = bedrockModel(model, asked.region, asked.models);
  return {
    path: `/model/${encodeURIComponent(id)}/${stream === true ? 'invoke-with-response-stream' : 'invoke'}`,
    accept: stream === true ? EVENT_STREAM : JSON_TYPE,
    body: bytes(invocation(rest, headers)),
  };
}

/** `POST /v1/messages/count_tokens`: the call whose tokens are to be counted stands in the body, and inference profiles count none. */
export function countRequest(headers: HeaderList, body: Buffer | null, asked: AskedModel): BedrockRequest {
  const { model, stream: _, ...rest } = parsedCall(body);
  const id = withoutGeography(bedrockModel(model, asked.region, asked.models));
  const counted = bytes(invocation({ max_tokens: 1, ...rest }, headers)).toString('base64');
  return {
    path: `/model/${encodeURIComponent(id)}/count-tokens`,
    accept: JSON_TYPE,
    body: bytes({ input: { invokeModel: { body: counted } } }),
  };
}

function invocation(rest: Record<string, unknown>, headers: HeaderList): Record<string, unknown> {
  const own = Array.isArray(rest.anthropic_beta) ? rest.anthropic_beta.map(String) : [];
  const betas = bedrockBetas([...own, ...headerTokens(headers, 'anthropic-beta')]);
  const { anthropic_beta: _, ...kept } = rest;
  return {
    ...kept,
    anthropic_version: VERSION,
    ...(betas.length > 0 ? { anthropic_beta: betas } : {}),
  };
}

/** The JSON of a call of the Messages API. Throws BerthError `bad-request` for what is none. */
export function parsedCall(body: Buffer | null): Record<string, unknown> & { model: string } {
  const json = body && jsonOf(body);
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new BerthError('bad-request', 'The request body is not a JSON object.');
  const { model, ...rest } = json as Record<string, unknown>;
  if (typeof model !== 'string' || model === '') throw new BerthError('bad-request', 'model: Field required');
  return { ...rest, model };
}

function bytes(body: object): Buffer {
  return Buffer.from(JSON.stringify(body));
}
