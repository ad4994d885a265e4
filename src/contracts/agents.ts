import { z } from 'zod';

/** The coding agents Berth can run. */
export const agentSchema = z.enum(['claude', 'codex']);
export type Agent = z.infer<typeof agentSchema>;

/** The name people know an agent by. */
export const agentNames: Record<Agent, string> = { claude: 'Claude', codex: 'Codex' };

/** The model provider's wire that an agent speaks, as the proxy's route prefix names it. */
export const upstreamSchema = z.enum(['anthropic', 'openai', 'bedrock']);
export type Upstream = z.infer<typeof upstreamSchema>;

/** The wire that Berth has an agent speak. */
export const upstreamOf: Record<Agent, Upstream> = { claude: 'anthropic', codex: 'openai' };

/** Whose wires they are: Claude can speak Bedrock's too, if somebody has it do so. */
export const agentOf: Record<Upstream, Agent> = { anthropic: 'claude', openai: 'codex', bedrock: 'claude' };

/** Whose models Claude asks first. */
export const providerSchema = z.enum(['anthropic', 'bedrock']);
export type Provider = z.infer<typeof providerSchema>;
