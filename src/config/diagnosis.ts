import { BerthError } from '../kernel/index.js';
import { parseConfig, variableNames, type Config } from './config.js';

/** The environment as a diagnosis sees it. */
export interface Diagnosis {
  /** Null unless the whole environment is right. */
  config: Config | null;
  /** What every check of the machine can work with: the real one, or as much of it as is right. */
  machine: Config;
  /** Why Berth would not start with this environment, naming the variables; null when it would. */
  problem: BerthError | null;
  /** Variables that look like Berth's and are none: a typing error is not said by anybody else. */
  unknown: string[];
}

/** What the checks of the machine need; the rest is at its default when the environment is wrong. */
const machineVariables = ['PATH', 'BERTH_DATA_DIR', 'BERTH_SANDBOX', 'CLAUDE_BIN', 'CODEX_BIN'];
/** Read by the command line and by the proxy on its own, which have their own parsers. */
const ofOthers =
  /^BERTH_(URL|API_KEY|API_KEY_FILE|ORGANIZATION|WORKLOAD_TOKEN|WORKLOAD_TOKEN_FILE|PROXY_\w+|TEST_\w+)$/;

/** Reads an environment that may be wrong. Never throws for what stands in it. */
export function diagnose(environment: Record<string, string | undefined>): Diagnosis {
  const unknown = Object.keys(environment).filter(
    (name) => name.startsWith('BERTH_') && !variableNames.includes(name) && !ofOthers.test(name),
  );
  try {
    const config = parseConfig(environment);
    return { config, machine: config, problem: null, unknown };
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    return { config: null, machine: machineOf(environment), problem: error, unknown };
  }
}

function machineOf(environment: Record<string, string | undefined>): Config {
  const known = Object.fromEntries(machineVariables.map((name) => [name, environment[name]]));
  try {
    return parseConfig(known);
  } catch {
    return parseConfig({ PATH: environment.PATH });
  }
}

/** The environment of this process, read in one place. */
export function diagnoseEnvironment(): Diagnosis {
  return diagnose(process.env);
}
