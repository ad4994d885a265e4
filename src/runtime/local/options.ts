import type { PrivateHost } from '../../contracts/proxy.js';
import type { Ids, Log, Metrics, TraceExport } from '../../kernel/index.js';

/** What to do about the sandbox: insist on it, fall back to none with a warning, or use none. */
export type SandboxMode = 'required' | 'preferred' | 'off';

/** Everything the local runtime takes from outside. It reads no environment of its own. */
export interface LocalRuntimeOptions {
  /** `BERTH_DATA_DIR`; may be relative. Everything of a workspace lies below `<data>/workspaces/<id>`. */
  dataDirectory: string;
  /** The id of this data directory, which this process holds alone (src/app/host.ts). */
  hostId: string;
  /** Where runners and the proxy reach the control plane. A function, since the port is known only after listening. */
  internalUrl: () => string;
  anthropicUrl: string;
  openaiUrl: string;
  chatgptUrl: string;
  /** With `{region}` in it where each region has a host of its own. */
  bedrockUrl: string;
  /** Ids at Bedrock by a model's name. */
  bedrockModels: Readonly<Record<string, string>>;
  /** Hosts in private networks that agents may be let to; none by default. */
  privateHosts?: readonly PrivateHost[];
  sandboxMode: SandboxMode;
  /** Finds the agents' programs, null when not installed. Asked at each start, since one may have been installed meanwhile. */
  findAgents: () => Promise<{ claude: string | null; codex: string | null }>;
  /** PATH for the runner and inside the sandbox; `git` and `bwrap` are looked up on it. */
  path: string;
  /** A runner that no control plane answered for so long ends itself. */
  orphanSeconds: number;
  turnTimeoutSeconds: number;
  log: Log;
  /** Takes what the proxy measures; nobody by default. */
  metrics?: Metrics;
  /** Where the spans of runners and proxy go; nowhere by default. */
  traceExport?: TraceExport | null;
  ids: Ids;
  /** The compiled entry points, `dist/runner/main.js` and `dist/proxy/main.js`. */
  runnerEntry: string;
  proxyEntry: string;
  /** The Node program both are run with; the one that runs Berth by default. */
  nodeBinary?: string;
  /** Where socket folders go when the data directory's path is too long for a socket; the system's temporary folder by default. */
  temporaryDirectory?: string;
  /** How long a runner may take to end in order before it is killed; 5 by default (it flushes within about 3). */
  stopGraceSeconds?: number;
}
