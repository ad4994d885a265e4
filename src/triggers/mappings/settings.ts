import type { Agent, MappingView, Provider } from '../../contracts/index.js';
import type { Workflow } from './workflow.js';

/** What a member wants their work done with. */
export interface Preferred {
  agent: Agent | null;
  model: string | null;
}

/** How work that another system asks for is done. */
export interface WorkSettings {
  agent: Agent;
  /** Null: what Berth is set to. */
  model: string | null;
  provider: Provider;
  awsRegion: string | null;
  instructions: string | null;
}

/** What WORKFLOW.md means where it names no model. */
export const WORKFLOW_MODEL = 'claude-sonnet-4-6';

type Terms = Pick<MappingView, 'agent' | 'provider' | 'awsRegion' | 'model'>;

/**
 * The mapping first, over it WORKFLOW.md, over it what the member prefers. A model is of one agent: what mapping and WORKFLOW.md name is for the mapping's agent, and is left out where the member
 * prefers another.
 */
export function settingsFor(
  mapping: Terms | null,
  { model, instructions }: Pick<Workflow, 'model' | 'instructions'>,
  preferred: Preferred,
): WorkSettings {
  const ofPlace = mapping?.agent ?? 'claude';
  const agent = preferred.agent ?? ofPlace;
  const named = model ?? mapping?.model ?? (ofPlace === 'claude' ? WORKFLOW_MODEL : null);
  // Bedrock has no models for Codex.
  const isBedrock = mapping?.provider === 'bedrock' && agent === 'claude';
  return {
    agent,
    model: preferred.model ?? (agent === ofPlace ? named : agent === 'claude' ? WORKFLOW_MODEL : null),
    provider: isBedrock ? 'bedrock' : 'anthropic',
    awsRegion: isBedrock ? mapping.awsRegion : null,
    instructions,
  };
}
