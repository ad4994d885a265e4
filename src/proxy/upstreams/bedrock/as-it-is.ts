import { headerOf, removeHeader, type HeaderList } from '../../headers.js';
import { secretsOf } from '../../leases.js';
import type { Wire } from '../adapter.js';
import { EventStreamTranslation } from './event-stream.js';
import { signedHeaders } from './signature.js';

const NOTHING = Buffer.alloc(0);
const JSON_TYPE = 'application/json';

/** Bedrock's own wire: the agent's request as it is, with a signature; its answer as it is. */
export const asItIs: Wire = {
  async translate({ path, headers, body }, credential, { target, now }) {
    const type = headerOf(headers, 'content-type') ?? JSON_TYPE;
    const signed = await signedHeaders(
      {
        path: target.basePath + path,
        host: target.host,
        headers: { 'content-type': type },
        body: body ?? NOTHING,
      },
      credential,
      now,
    );
    const secrets = secretsOf(credential);
    return {
      request: { method: 'POST', path, headers: [...ownOf(headers), ...signed], body },
      change: null,
      legible: () => {
        const stream = new EventStreamTranslation(secrets);
        return (chunk) => stream.push(chunk);
      },
    };
  },
};

/** What an agent may say: nothing that belongs to a signature, whose every `x-amz-…` AWS believes. */
function ownOf(headers: HeaderList): HeaderList {
  const own = [...headers];
  removeHeader(own, 'content-type');
  for (let i = own.length - 2; i >= 0; i -= 2) {
    if (own[i]?.toLowerCase().startsWith('x-amz-')) own.splice(i, 2);
  }
  return own;
}
