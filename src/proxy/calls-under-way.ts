import { proxyPaths, withdrawnAnswerSchema } from '../contracts/proxy.js';
import { messageOf, type Log, type Secret } from '../kernel/index.js';
import type { ControlPlane } from './control-plane.js';
import type { Limits } from './limits.js';

/** A model call that was sent, and has not ended. */
export interface CallUnderWay {
  /** What it was sent with. */
  credentialId: string;
  /** Ends it, upstream and for the agent; its answer never looks whole. */
  cut(): void;
}

export interface CallsOptions {
  workspaceId: string;
  /** The workspace's proxy token, which may be replaced. */
  token: () => Secret;
  controlPlane: Pick<ControlPlane, 'post'>;
  log: Log;
  limits: Pick<Limits, 'withdrawnSeconds'>;
}

/**
 * The model calls of one workspace that are under way. A lease is asked for when a call begins, and an answer may stream for minutes: what people take away meanwhile (a credential, a
 * membership, the organization's consent) ends it too. Asked at once when something is told of a credential, and every few seconds, since what is told may be lost.
 */
export class CallsUnderWay {
  readonly #calls = new Set<CallUnderWay>();
  #timer: NodeJS.Timeout | null = null;
  #look: Promise<void> | null = null;
  #asked = 0;

  constructor(private readonly options: CallsOptions) {}

  /** From now on this call is under way, until the answer is called. */
  begin(call: CallUnderWay): () => void {
    this.#calls.add(call);
    this.#timer ??= setInterval(() => void this.look(), this.options.limits.withdrawnSeconds * 1000).unref();
    return () => {
      this.#calls.delete(call);
      if (this.#calls.size > 0 || !this.#timer) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  /** Something changed about this credential: a newer secret, or its end. */
  changed(credentialId: string): void {
    if ([...this.#calls].some((call) => call.credentialId === credentialId)) void this.look();
  }

  /** Ends the calls whose credential may not serve here any more. Never rejects. */
  look(): Promise<void> {
    this.#asked += 1;
    this.#look ??= this.#lookUntilDone().finally(() => (this.#look = null));
    return this.#look;
  }

  async #lookUntilDone(): Promise<void> {
    // Who asks while a look is under way asks about something that it may have missed.
    for (let seen = 0; seen < this.#asked;) {
      seen = this.#asked;
      await this.#lookOnce();
    }
  }

  async #lookOnce(): Promise<void> {
    const ids = [...new Set([...this.#calls].map(({ credentialId }) => credentialId))];
    if (ids.length === 0) return;
    const withdrawn = await this.#withdrawn(ids);
    for (const call of this.#calls) if (withdrawn.includes(call.credentialId)) this.#cut(call);
  }

  /** Which of these may not serve any more. Not knowing takes nothing away. */
  async #withdrawn(credentialIds: string[]): Promise<string[]> {
    const { controlPlane, token, workspaceId, log } = this.options;
    try {
      const { status, body } = await controlPlane.post(proxyPaths.withdrawn, token(), { credentialIds });
      if (status === 403) return credentialIds;
      const answer = withdrawnAnswerSchema.safeParse(status === 200 ? body : null);
      if (answer.success) return answer.data.credentialIds;
      log.warn({ workspaceId, status }, 'not known whether calls under way may go on');
    } catch (error) {
      log.warn({ workspaceId, reason: messageOf(error) }, 'not known whether calls under way may go on');
    }
    return [];
  }

  #cut(call: CallUnderWay): void {
    const { workspaceId, log } = this.options;
    const { credentialId } = call;
    log.info({ workspaceId, credentialId }, 'a call is ended whose credential may not serve here any more');
    call.cut();
  }
}
