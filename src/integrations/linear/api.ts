import { Injectable } from '@nestjs/common';
import { AppTokens, LoginEndpoints } from '../../credentials/index.js';
import { BerthError, World, type Secret } from '../../kernel/index.js';
import { LinearClients, type Quota } from './client.js';
import { IDENTITY, identitySchema, type Identity } from './operations.js';
import { LinearTrouble } from './trouble.js';

/** So many requests of the hour are left for what people wait for, when Berth looks for what it may have missed. */
const AGAIN_SECONDS = 5;

/** Asks Linear as an organization's app. */
@Injectable()
export class LinearApi {
  readonly #clients: LinearClients;
  readonly #quotas = new Map<string, Quota>();

  constructor(
    private readonly tokens: AppTokens,
    { linear }: LoginEndpoints,
    private readonly world: World,
  ) {
    this.#clients = new LinearClients(linear.apiUrl, () => world.clock.now());
  }

  /**
   * Asks one operation with the organization's token. One that Linear refuses is renewed, and asked with once more. While an hour's requests are used up nothing is sent. Throws LinearTrouble, and
   * of `AppTokens` `not-connected` and `not-ready`.
   */
  async ask(
    organizationId: string,
    query: string,
    variables: Record<string, unknown>,
    signal?: AbortSignal,
  ): Promise<Record<string, unknown>> {
    this.#refuseWhenUsedUp(organizationId);
    const first = await this.tokens.token(organizationId, 'linear_app');
    try {
      return await this.#send(organizationId, first.token, query, variables, signal);
    } catch (error) {
      if (!(error instanceof LinearTrouble) || error.kind !== 'unauthenticated') throw error;
      await this.tokens.refused(organizationId, first);
    }
    const next = await this.tokens.token(organizationId, 'linear_app');
    return this.#send(organizationId, next.token, query, variables, signal);
  }

  /** Whose token this is, and of which Linear organization: it says neither itself (linear.md 4). Throws LinearTrouble. */
  async identity(token: Secret): Promise<Identity> {
    const { data } = await this.#clients.ask(token, IDENTITY, {});
    const read = identitySchema.safeParse(data);
    if (!read.success) throw new LinearTrouble('away', 'Linear answered something that is not understood');
    return read.data;
  }

  async #send(
    organizationId: string,
    token: Secret,
    query: string,
    variables: Record<string, unknown>,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, unknown>> {
    try {
      const { data, quota } = await this.#clients.ask(token, query, variables, signal);
      if (quota) this.#quotas.set(organizationId, quota);
      return data;
    } catch (error) {
      if (error instanceof LinearTrouble && error.kind === 'limited')
        this.#quotas.set(organizationId, {
          remaining: 0,
          resetAt: this.#now() + error.retryAfterSeconds * 1000,
        });
      throw error;
    }
  }

  #refuseWhenUsedUp(organizationId: string): void {
    const quota = this.#quotas.get(organizationId);
    if (!quota || quota.remaining > 0 || quota.resetAt <= this.#now()) return;
    const seconds = (quota.resetAt - this.#now()) / 1000;
    throw new LinearTrouble('limited', 'Linear lets nothing through until its limit is over', seconds);
  }

  #now(): number {
    return this.world.clock.now().getTime();
  }
}

/** For callers whose work is tried again: trouble that may pass says when. */
export function passing(error: unknown): unknown {
  if (!(error instanceof LinearTrouble) || error.kind === 'refused') return error;
  const retryAfterSeconds = Math.max(AGAIN_SECONDS, error.retryAfterSeconds);
  return new BerthError('not-ready', `${error.message}.`, { cause: error, retryAfterSeconds });
}
