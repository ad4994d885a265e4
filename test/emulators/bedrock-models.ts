import { validation, type BedrockError } from './bedrock-errors.js';

/** Some of Bedrock's models: the old one takes its own id, the newer ones that of an inference profile alone. */
const MODELS: Record<string, { profiles: string[]; isOnDemand?: true }> = {
  'anthropic.claude-3-5-sonnet-20240620-v1:0': { profiles: ['us', 'eu', 'apac'], isOnDemand: true },
  'anthropic.claude-haiku-4-5-20251001-v1:0': { profiles: ['us', 'eu', 'jp', 'au', 'global'] },
  'anthropic.claude-sonnet-4-5-20250929-v1:0': { profiles: ['us', 'eu', 'jp', 'au', 'global'] },
  'anthropic.claude-sonnet-4-6': { profiles: ['us', 'eu', 'jp', 'au', 'global'] },
  'anthropic.claude-opus-4-8': { profiles: ['us', 'eu', 'jp', 'au', 'global'] },
};

/** Beside those of before 2025. */
const BETAS = new Set([
  'claude-code-20250219',
  'interleaved-thinking-2025-05-14',
  'context-1m-2025-08-07',
  'context-management-2025-06-27',
  'structured-outputs-2025-12-15',
  'effort-2025-11-24',
  'tool-search-tool-2025-10-19',
  'thinking-binding-controls-2026-08-01',
  'thinking-display-updates-2026-08-18',
  'fine-grained-tool-streaming-2025-05-14',
]);

const ARN = /^arn:aws:bedrock:[a-z0-9-]+:\d{12}:application-inference-profile\/[a-z0-9]+$/;

/** Whether a model answers under this id in this region; null: it does. */
export function refuseModel(id: string, region: string, isCount: boolean): BedrockError | null {
  if (ARN.test(id)) return null;
  const [, profile = '', model = ''] = /^(?:([a-z-]+)\.)?(anthropic\..+)$/.exec(id) ?? [];
  const known = MODELS[model];
  if (!known || (profile !== '' && !(known.profiles.includes(profile) && isOf(profile, region))))
    return validation('The provided model identifier is invalid.');
  if (isCount)
    return profile === '' ? null : validation("The provided model doesn't support counting tokens.");
  if (profile !== '' || known.isOnDemand) return null;
  return validation(
    `Invocation of model ID ${id} with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.`,
  );
}

/** What of a body belongs elsewhere at Bedrock, or is not known there. */
export function refuseFields(body: Record<string, unknown>): BedrockError | null {
  for (const field of ['model', 'stream']) {
    if (field in body) return validation(`${field}: Extra inputs are not permitted`);
  }
  if (body.anthropic_version !== 'bedrock-2023-05-31') return validation('Invalid API version');
  const betas: unknown[] = Array.isArray(body.anthropic_beta) ? body.anthropic_beta : [];
  return betas.every((beta) => BETAS.has(String(beta)))
    ? null
    : validation('The model returned the following errors: invalid beta flag');
}

/** The name that the model says in its answers. */
export function nameOf(id: string): string {
  return id.replace(/^(?:[a-z-]+\.)?anthropic\./, '').replace(/-v\d+(?::\d+)?$/, '');
}

function isOf(profile: string, region: string): boolean {
  if (profile === 'global') return true;
  if (profile === 'jp') return /^ap-northeast-[13]$/.test(region);
  if (profile === 'au') return /^ap-southeast-[24]$/.test(region);
  return region.startsWith(profile === 'apac' ? 'ap-' : `${profile}-`);
}
