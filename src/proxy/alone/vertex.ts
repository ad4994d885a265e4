import { BerthError } from '../../kernel/index.js';
import { removeToken, type HeaderList } from '../headers.js';
import { parsedCall } from '../upstreams/bedrock/request.js';
import { OAUTH_BETA } from '../upstreams/anthropic.js';
import type { UpstreamAdapter, Wire } from '../upstreams/adapter.js';

/** Where in Google's cloud the models are asked. */
export interface VertexPlace {
  project: string;
  region: string;
}

const VERSION = 'vertex-2023-10-16';
const COUNT_PATH = '/v1/messages/count_tokens';
const MODELS_PATH = '/v1/models';
const MODEL = /^[\w.@:-]+$/;

/** Anthropic's models as Google's Vertex serves them: the same answers and streams, and the model in the path. */
export function onVertex(adapter: UpstreamAdapter, place: VertexPlace): UpstreamAdapter {
  return {
    ...adapter,
    place: (kind, path) => (path === MODELS_PATH ? null : adapter.place(kind, path)),
    wires: { anthropic_wif: () => Promise.resolve(vertex(place)) },
  };
}

function vertex({ project, region }: VertexPlace): Wire {
  const models = `/projects/${project}/locations/${region}/publishers/anthropic/models`;
  return {
    translate: ({ path, headers, body }, credential) => {
      const { model, ...rest } = parsedCall(body);
      const id = modelId(model);
      const isCount = path === COUNT_PATH;
      const method = rest.stream === true && !isCount ? 'streamRawPredict' : 'rawPredict';
      const own = ownOf(headers);
      // Of a Claude login alone; Vertex would refuse it.
      removeToken(own, 'anthropic-beta', OAUTH_BETA);
      own.push('authorization', `Bearer ${credential.secret.reveal()}`);
      const sent = { ...rest, ...(isCount ? { model: id } : {}), anthropic_version: VERSION };
      return Promise.resolve({
        request: {
          method: 'POST',
          path: `${models}/${isCount ? 'count-tokens' : id}:${method}`,
          headers: own,
          body: Buffer.from(JSON.stringify(sent)),
        },
        change: null,
      });
    },
  };
}

/** What an agent may say: nothing that Google takes for an order to itself, such as which project pays, or that a POST is another method. */
function ownOf(headers: HeaderList): HeaderList {
  const own = [...headers];
  for (let i = own.length - 2; i >= 0; i -= 2) {
    const name = own[i]?.toLowerCase() ?? '';
    if (name.startsWith('x-goog-') || name === 'x-http-method-override') own.splice(i, 2);
  }
  return own;
}

/** Anthropic writes the date of a model behind a dash, Google behind an at sign. */
function modelId(model: string): string {
  if (!MODEL.test(model)) throw new BerthError('bad-request', 'model: not the name of a model');
  return model.replace(/-(\d{8})$/, '@$1');
}
