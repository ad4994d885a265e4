import { readFile } from 'node:fs/promises';
import type { CredentialSource, IdentitySource } from '../../config/proxy-alone.js';
import { Secret } from '../../kernel/index.js';
import type { ContextBase } from '../context.js';
import { ControlPlane } from '../control-plane.js';
import { holderOfIdentity, holderOfKey } from './holders.js';
import type { Identity } from './identity.js';
import { LocalControlPlane } from './local-control-plane.js';
import type { PortUpstream } from './port-upstream.js';

/** Which API each identity opens: AWS and Google serve Anthropic's models, Azure OpenAI's. */
export const upstreamOfIdentity: Record<IdentitySource['provider'], PortUpstream> = {
  anthropic: 'anthropic',
  aws: 'anthropic',
  azure: 'openai',
  gcp: 'anthropic',
};

type Asked = Pick<ControlPlane, 'post'>;

/** Who is asked for credentials: a Berth, or this process itself. */
export function controlPlaneOf(
  credentials: CredentialSource,
  identity: Identity | null,
  { pools, limits, clock }: ContextBase,
): Asked {
  switch (credentials.from) {
    case 'berth': {
      const berth = new ControlPlane(pools.target(credentials.url), limits.controlPlaneTimeoutSeconds);
      return withToken(berth, credentials.token);
    }
    case 'identity':
      return new LocalControlPlane(
        identity ? { [upstreamOfIdentity[credentials.provider]]: holderOfIdentity(identity) } : {},
      );
    case 'keys': {
      const { anthropic, openai } = credentials;
      return new LocalControlPlane({
        ...(anthropic && {
          anthropic: holderOfKey(() => ({ kind: 'anthropic_api_key', apiKey: anthropic.reveal() }), clock),
        }),
        ...(openai && {
          openai: holderOfKey(() => ({ kind: 'openai_api_key', apiKey: openai.reveal() }), clock),
        }),
      });
    }
  }
}

/** With the token that this process was given. One in a file is read at each call: whoever wrote it writes it anew before it ends. */
function withToken(berth: ControlPlane, token: Secret | { file: string }): Asked {
  return {
    post: async (path, _none, body) => {
      const mine = token instanceof Secret ? token : new Secret((await readFile(token.file, 'utf8')).trim());
      return berth.post(path, mine, body);
    },
  };
}
