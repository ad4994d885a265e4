import { proxyCommandSchema, type ProxyCommand, type ProxyMessage } from '../contracts/proxy.js';
import { messageOf, type Log } from '../kernel/index.js';
import { openTracer } from '../telemetry/open-tracer.js';
import type { Observers } from './call-record.js';
import { field } from './json.js';
import { Workspaces, type ProxyOptions } from './workspaces.js';

/** The parent's side of the IPC channel, as the proxy needs it. */
export interface ParentPort {
  send(message: ProxyMessage): void;
}

/** Stands for the request id of `configure`, which has none, when it fails. */
const CONFIGURE = 'configure';

/** Carries out the parent's commands and answers each one that has a request id. */
export class ParentChannel {
  #closeTracer: () => Promise<void> = () => Promise.resolve();
  #configured = false;
  #workspaces: Workspaces | null = null;

  constructor(
    private readonly port: ParentPort,
    private readonly options: Pick<ProxyOptions, 'log' | 'clock' | 'ids' | 'limits'> & { log: Log },
  ) {}

  /** Handles one message. Never rejects. */
  async receive(message: unknown): Promise<void> {
    const command = proxyCommandSchema.safeParse(message);
    if (!command.success) {
      // The paths only: the values hold tokens.
      const paths = command.error.issues.map((issue) => issue.path.join('.')).join(', ');
      this.options.log.error({ paths }, 'unreadable command');
      const requestId = field(message, 'type') === 'configure' ? CONFIGURE : field(message, 'requestId');
      this.#fail(
        requestId,
        `The proxy could not read this command (${paths}). Berth and its proxy may differ in version.`,
      );
      return;
    }
    if (command.data.type === 'configure') await this.#configure(command.data);
    else if (command.data.type === 'forget') this.#workspaces?.forget(command.data.credentialId);
    else await this.#carryOut(command.data);
  }

  /** Closes all workspaces in order. */
  async close(): Promise<void> {
    await this.#workspaces?.closeAll();
    this.#workspaces = null;
    await this.#closeTracer();
  }

  async #configure(command: Extract<ProxyCommand, { type: 'configure' }>): Promise<void> {
    if (this.#configured) {
      this.options.log.error({}, 'configured twice, the first stays');
      return;
    }
    this.#configured = true;
    try {
      const { tracer, close } = await openTracer(command.traceExport, 'proxy', this.options.log);
      this.#closeTracer = close;
      const observers: Observers = {
        tracer,
        measured: (measure) => this.port.send({ type: 'measured', ...measure }),
        held: (held) => this.port.send({ type: 'held', ...held }),
        tunnel: (tunnel) => this.port.send({ type: 'tunnel', ...tunnel }),
      };
      this.#workspaces = new Workspaces({ ...command, ...this.options, observers });
      this.port.send({ type: 'ready' });
    } catch (error) {
      this.#configured = false;
      this.options.log.error({ reason: messageOf(error) }, 'configuration refused');
      this.#fail(CONFIGURE, messageOf(error));
    }
  }

  async #carryOut(command: Extract<ProxyCommand, { type: 'open' | 'close' }>): Promise<void> {
    const { requestId } = command;
    if (!this.#workspaces) {
      this.#fail(requestId, 'The proxy has not been configured yet.');
      return;
    }
    try {
      if (command.type === 'open') await this.#workspaces.open(command);
      else await this.#workspaces.close(command.workspaceId);
      this.port.send({ type: 'done', requestId });
    } catch (error) {
      const { workspaceId } = command;
      this.options.log.error({ workspaceId, type: command.type, reason: messageOf(error) }, 'command failed');
      this.#fail(requestId, messageOf(error));
    }
  }

  #fail(requestId: unknown, message: string): void {
    if (typeof requestId === 'string') this.port.send({ type: 'failed', requestId, message });
  }
}
