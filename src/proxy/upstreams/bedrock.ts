import { headerOf, type HeaderList } from '../headers.js';
import { field } from '../json.js';
import type { Refusal } from '../refusal.js';
import { AnthropicUsage } from './anthropic.js';
import { word, type Operation, type UpstreamAdapter } from './adapter.js';
import { codeOf, refusesKey, wordOf } from './bedrock/errors.js';

/** The models of Anthropic's under their own ids or inference profiles; the name stands in one segment, with its colon encoded or not. */
const MODEL = String.raw`/model/(?:[a-z-]+\.)?anthropic\.[\w.-]+(?:(?:%3A|:)\d+)?`;

const operation = (name: string, metered: boolean): Operation => ({
  method: 'POST',
  path: new RegExp(`^${MODEL}/${name}$`),
  metered,
});

/** AWS's codes by status, for answers of the proxy's own. */
const CODES: Record<number, string> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  413: 'ValidationException',
};

function formatRefusal({ status, message }: Refusal): { contentType: string; body: string } {
  const code = CODES[status] ?? (status >= 500 ? 'ServiceUnavailableException' : 'ValidationException');
  return { contentType: 'application/json', body: JSON.stringify({ __type: code, message }) };
}

function errorType(_body: unknown, headers: HeaderList): string | null {
  return word(wordOf(codeOf(headerOf(headers, 'x-amzn-errortype'))));
}

function refuses(_status: number, body: unknown, headers: HeaderList): boolean {
  const message = field(body, 'message');
  const said = typeof message === 'string' ? message : '';
  return refusesKey(codeOf(headerOf(headers, 'x-amzn-errortype')), said);
}

/** AWS Bedrock's runtime for an agent that speaks it itself: its requests are signed, and nothing else of them changes (providers.md 5.1 and 5.4). */
export const bedrock: UpstreamAdapter = {
  name: 'bedrock',
  title: 'AWS Bedrock',
  operations: [
    operation('invoke', true),
    operation('invoke-with-response-stream', true),
    operation('count-tokens', false),
  ],
  kinds: new Set(['aws_bedrock']),
  place: (_kind, path) => ({ target: 'bedrock', path }),
  wires: { aws_bedrock: async () => (await import('./bedrock/as-it-is.js')).asItIs },
  // Its wire signs.
  applyCredential: () => undefined,
  formatRefusal,
  errorType,
  refuses,
  limitedUntil: () => null,
  newUsageReader: () => new AnthropicUsage(),
};
