import type { Upstream } from '../../contracts/agents.js';
import type { UpstreamAdapter } from './adapter.js';
import { anthropic } from './anthropic.js';
import { bedrock } from './bedrock.js';
import { openai } from './openai.js';

/** Every upstream of the proxy; its name is also the first part of the agent's path. */
export const upstreams: Record<Upstream, UpstreamAdapter> = { anthropic, openai, bedrock };
