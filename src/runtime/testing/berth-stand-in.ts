/**
 * A Berth reduced to its runtime, as a process of its own that a test can kill: opens a runtime, starts the workspaces it reads from its
 * standard input, and writes one line when they run.
 */
import { text } from 'node:stream/consumers';
import { silentLog, systemIds } from '../../kernel/index.js';
import { LocalRuntime } from '../local/local-runtime.js';
import type { LocalRuntimeOptions } from '../local/options.js';
import type { RuntimeStart } from '../runtime.js';

interface Input {
  options: Omit<LocalRuntimeOptions, 'internalUrl' | 'log' | 'ids' | 'findAgents'>;
  internalUrl: string;
  requests: RuntimeStart[];
}

const input = JSON.parse(await text(process.stdin)) as Input;
const runtime = new LocalRuntime({
  ...input.options,
  internalUrl: () => input.internalUrl,
  findAgents: () => Promise.resolve({ claude: process.execPath, codex: null }),
  log: silentLog,
  ids: systemIds,
});
await runtime.open();
for (const request of input.requests) await runtime.start(request);
process.stdout.write(`${JSON.stringify({ proxyPid: runtime.proxyPid })}\n`);
