import { secretsOf } from '../../leases.js';
import type { Wire } from '../adapter.js';
import { BedrockAnswer } from './answer.js';
import { countRequest, messagesRequest } from './request.js';
import { signedHeaders } from './signature.js';

const COUNT_PATH = '/v1/messages/count_tokens';

/** Anthropic's Messages API, served by AWS Bedrock's runtime. */
export const bedrock: Wire = {
  async translate({ path, headers, body }, credential, world) {
    const { target, now, models, maxErrorBytes, errorTimeoutSeconds } = world;
    const asked = { region: credential.aws?.region ?? '', models };
    const isCount = path === COUNT_PATH;
    const told = (isCount ? countRequest : messagesRequest)(headers, body, asked);
    const signed = await signedHeaders(
      {
        path: target.basePath + told.path,
        host: target.host,
        // Of the agent's own headers AWS needs none, and has no business with its sessions.
        headers: { 'content-type': 'application/json', accept: told.accept },
        body: told.body,
      },
      credential,
      now,
    );
    const secrets = secretsOf(credential);
    return {
      request: { method: 'POST', path: told.path, headers: signed, body: told.body },
      change: (next) => new BedrockAnswer(next, { isCount, secrets, maxErrorBytes, errorTimeoutSeconds }),
    };
  },
};
