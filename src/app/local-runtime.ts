import path from 'node:path';
import { findAgentPrograms, type Config } from '../config/index.js';
import type { World, Log, Metrics } from '../kernel/index.js';
import { LocalRuntime, type Runtime } from '../runtime/index.js';

/** The local runtime as it is configured, not opened yet. Throws `config-invalid` for a wrong CLAUDE_BIN or CODEX_BIN. */
export async function localRuntime(
  config: Config,
  given: {
    hostId: string;
    internalUrl: () => string;
    world: World;
    log: Log;
    metrics: Metrics;
    sources: string;
  },
): Promise<Runtime> {
  const { runtime, dataDirectory } = config;
  const { hostId, internalUrl, world, log, metrics, sources } = given;
  const find = {
    dataDir: dataDirectory,
    claudeBin: runtime.claudeBin,
    codexBin: runtime.codexBin,
    path: runtime.path,
  };
  // Asked once here so that a wrong CLAUDE_BIN stops the start, and again at each workspace's start, since agents may be installed meanwhile.
  await findAgentPrograms(find);
  return new LocalRuntime({
    dataDirectory,
    hostId,
    internalUrl,
    anthropicUrl: config.upstreams.anthropicUrl,
    openaiUrl: config.upstreams.openaiUrl,
    chatgptUrl: config.upstreams.chatgptUrl,
    bedrockUrl: config.upstreams.bedrockUrl,
    bedrockModels: config.upstreams.bedrockModels,
    privateHosts: config.egress.privateHosts,
    sandboxMode: runtime.sandbox,
    findAgents: async () => {
      const { claude, codex } = await findAgentPrograms(find);
      return { claude: claude?.path ?? null, codex: codex?.path ?? null };
    },
    path: runtime.path,
    orphanSeconds: runtime.orphanSeconds,
    turnTimeoutSeconds: runtime.turnTimeoutSeconds,
    log,
    metrics,
    traceExport: config.traceExport,
    ids: world.ids,
    runnerEntry: path.join(sources, 'runner/main.js'),
    proxyEntry: path.join(sources, 'proxy/main.js'),
  });
}
