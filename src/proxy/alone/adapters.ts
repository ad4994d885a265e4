import { field, jsonOf } from '../json.js';
import { headerOf } from '../headers.js';
import type { Refusal } from '../refusal.js';
import type { UpstreamAdapter } from '../upstreams/adapter.js';

const UNAVAILABLE = 503;
/** What Anthropic's API wants on each request, and clients of other gateways leave out. */
const VERSION = ['anthropic-version', '2023-06-01'] as const;

/** How the proxy on its own says what inside of Berth is said of a workspace and its owner. */
export interface Sentences {
  notReady: string;
  refused: string;
}

/** An adapter as a port of its own has it: `port` gives its number once it is open, `sentences` where no control plane has its own. */
export function onPort(
  adapter: UpstreamAdapter,
  port: () => number,
  sentences: Sentences | null,
): UpstreamAdapter {
  return {
    ...adapter,
    applyCredential: (headers, credential) => {
      if (adapter.name === 'anthropic' && headerOf(headers, VERSION[0]) === undefined)
        headers.push(...VERSION);
      adapter.applyCredential(headers, credential);
    },
    formatRefusal: (refusal, requestId) => {
      const said = adapter.formatRefusal(reworded(refusal, sentences), requestId);
      if (refusal.status !== UNAVAILABLE) return said;
      // Beside the provider's own shape, which agents read, the words by which programs know GitHub's sidecar (providers.md 2.6).
      const body = jsonOf(said.body) as Record<string, unknown>;
      const error = {
        ...(field(body, 'error') as object),
        type: 'provider_not_configured',
        provider: adapter.name,
        port: port(),
        retryable: true,
      };
      return { ...said, body: JSON.stringify({ ...body, error }) };
    },
  };
}

function reworded(refusal: Refusal, sentences: Sentences | null): Refusal {
  if (!sentences) return refusal;
  if (refusal.code === 'credential_refused') return { ...refusal, message: sentences.refused };
  if (refusal.status === UNAVAILABLE) return { ...refusal, message: sentences.notReady };
  return refusal;
}
