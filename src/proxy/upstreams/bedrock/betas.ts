/**
 * Betas of the Messages API at Bedrock, as of 2026-11-26. One that it does not know makes it refuse the whole call ("invalid beta flag"), so that only those pass of which Claude Code 2.1.330 or
 * gateways before live accounts say that it does; the others are left out, and what they would have changed stays as it is without them.
 */
const KNOWN: Record<string, string> = {
  'claude-code-20250219': 'claude-code-20250219',
  'interleaved-thinking-2025-05-14': 'interleaved-thinking-2025-05-14',
  'context-1m-2025-08-07': 'context-1m-2025-08-07',
  'context-management-2025-06-27': 'context-management-2025-06-27',
  'structured-outputs-2025-12-15': 'structured-outputs-2025-12-15',
  'effort-2025-11-24': 'effort-2025-11-24',
  'thinking-binding-controls-2026-08-01': 'thinking-binding-controls-2026-08-01',
  'thinking-display-updates-2026-08-18': 'thinking-display-updates-2026-08-18',
  'dangerous-tool-use-2026-09-03': 'dangerous-tool-use-2026-09-03',
  'fine-grained-tool-streaming-2025-05-14': 'fine-grained-tool-streaming-2025-05-14',
  'token-efficient-tools-2025-02-19': 'token-efficient-tools-2025-02-19',
  'output-128k-2025-02-19': 'output-128k-2025-02-19',
  'computer-use-2025-01-24': 'computer-use-2025-01-24',
  'computer-use-2025-11-24': 'computer-use-2025-11-24',
  'tool-examples-2025-10-29': 'tool-examples-2025-10-29',
  'tool-search-tool-2025-10-19': 'tool-search-tool-2025-10-19',
  // What Anthropic's own API calls by another name.
  'advanced-tool-use-2025-11-20': 'tool-search-tool-2025-10-19',
};

/*
 * Left out, among others: `oauth-2025-04-20` (of a credential that is not there), `prompt-caching-scope-2026-01-05`, `fast-mode-2026-02-01`, `redact-thinking-2026-02-12` and
 * `extended-cache-ttl-2025-04-11` (refused), `thinking-token-count-2026-05-13` (only counts more, and its sources differ), `files-api-2025-04-14` and `mcp-client-…` (Bedrock has neither).
 */

/** What of the agent's betas Bedrock is told, each once. */
export function bedrockBetas(betas: readonly string[]): string[] {
  const known = betas.flatMap((beta) => (Object.hasOwn(KNOWN, beta) ? [KNOWN[beta] ?? beta] : []));
  return [...new Set(known)];
}
