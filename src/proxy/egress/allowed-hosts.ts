import { egressAnswerSchema, proxyPaths } from '../../contracts/proxy.js';
import { BerthError, messageOf, type Clock, type Log, type Secret } from '../../kernel/index.js';
import type { ControlPlane } from '../control-plane.js';
import type { Limits } from '../limits.js';

export interface AllowedHostsOptions {
  workspaceId: string;
  /** The workspace's proxy token, which may be replaced. */
  token: () => Secret;
  controlPlane: Pick<ControlPlane, 'post'>;
  clock: Clock;
  log: Log;
  limits: Pick<Limits, 'allowedHostsSeconds'>;
}

/** Which hosts one workspace may reach: asked for once at a time, and kept for seconds. */
export class AllowedHosts {
  #known: { hosts: readonly string[]; until: number } | null = null;
  #flight: Promise<readonly string[]> | null = null;

  constructor(private readonly options: AllowedHostsOptions) {}

  /** Throws BerthError: `forbidden` (the workspace is not running), `not-ready` (it cannot be asked; then nothing is allowed). */
  get(): Promise<readonly string[]> {
    const { clock } = this.options;
    if (this.#known && this.#known.until > clock.now().getTime()) return Promise.resolve(this.#known.hosts);
    return this.ask();
  }

  /** As `get`, and as it is now. */
  ask(): Promise<readonly string[]> {
    this.#flight ??= this.#fetch().finally(() => (this.#flight = null));
    return this.#flight;
  }

  async #fetch(): Promise<readonly string[]> {
    const { controlPlane, token, clock, limits, log, workspaceId } = this.options;
    this.#known = null;
    const begun = clock.now().getTime();
    let status = 0;
    try {
      const answer = await controlPlane.post(proxyPaths.egress, token(), {});
      status = answer.status;
      const parsed = egressAnswerSchema.safeParse(status === 200 ? answer.body : null);
      if (parsed.success) {
        const { allowedHosts: hosts } = parsed.data;
        this.#known = { hosts, until: begun + limits.allowedHostsSeconds * 1000 };
        return hosts;
      }
      log.warn({ workspaceId, status }, 'not known which hosts are allowed');
    } catch (error) {
      log.warn({ workspaceId, reason: messageOf(error) }, 'not known which hosts are allowed');
    }
    if (status === 401 || status === 403)
      throw new BerthError(
        'forbidden',
        'This workspace is not running, so nothing leads out of it. Wake it in Berth.',
      );
    throw new BerthError(
      'not-ready',
      'Berth could not say at the moment which hosts this workspace may reach. Try again in a few seconds.',
      { retryAfterSeconds: 2 },
    );
  }
}
