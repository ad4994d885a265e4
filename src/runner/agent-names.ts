import type { agentNames as names } from '../contracts/agents.js';

/** The agents' names for people. As `agentNames` of contracts, written again because importing that module would load zod. */
export const agentNames: typeof names = { claude: 'Claude', codex: 'Codex' };
