import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kind, Scope } from '../../contracts/index.js';
import { Database, SystemStore } from '../../database/index.js';
import { IdentityService, type Actor } from '../../identity/index.js';
import { BerthError, LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { JobQueue } from '../../queue/index.js';
import { CredentialPlaces } from '../credential-places.js';
import type { DeviceCode } from '../providers/chatgpt.js';
import { ProviderLogins } from '../providers/sources.js';
import { Vault } from '../vault.js';
import { EXCHANGE_SECONDS, messages, type AttemptState } from './attempt.js';
import { attemptsStore, type AttemptRow } from './attempts.store.js';
import { LoginStoring } from './login-storing.js';
import { attemptPlace } from './sealed-attempts.js';

export interface AttemptRef {
  organizationId: string;
  attemptId: string;
}

/** Nothing was carried out; the reason is for people. */
interface Failed {
  reason: string;
  retryAfterSeconds: number | null;
}

/** A job waits for the next look itself when that is so near. */
const WAIT_MS = 10_000;
/** Of a look that is overdue by so much the job was lost. */
const LOST_MS = 15_000;
/** How long an attempt that is over is kept, so that its end can be seen. */
const KEPT_MS = 24 * 3600 * 1000;
const PAGE = 500;

/**
 * Asks the provider again and again whether a person typed the code. The row says when the next look is due; a job looks once and asks for the next one, so that a worker that stops or dies
 * loses nothing but time.
 */
@Injectable()
export class LoginPolling {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly identity: IdentityService,
    private readonly places: CredentialPlaces,
    private readonly providers: ProviderLogins,
    private readonly storing: LoginStoring,
    private readonly vault: Vault,
    private readonly queue: JobQueue,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Has a worker look. Never throws: the sweep finds what was not asked for. */
  async ask(attempt: AttemptRef): Promise<void> {
    try {
      await this.queue.add('login.attend', { ...attempt });
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'no worker could be asked to attend to a login');
    }
  }

  /** Asks for every attempt whose look or end is overdue; asked at each sweep. */
  async askForAll(): Promise<void> {
    const now = this.world.clock.now().getTime();
    const due = await this.system.loginAttempts.due(
      { lostBefore: new Date(now - LOST_MS), overBefore: new Date(now), keptBefore: new Date(now - KEPT_MS) },
      PAGE,
    );
    for (const { organizationId, id } of due)
      await this.queue.add('login.attend', { organizationId, attemptId: id });
  }

  /** Does what is due for one attempt: its end, or a look at the provider. Whatever is asked twice is done once. */
  async attend({ organizationId, attemptId }: AttemptRef, signal: AbortSignal): Promise<void> {
    const attempt = await this.database.tenant(organizationId, (tenant) =>
      attemptsStore.find(tenant, attemptId),
    );
    if (!attempt || (await this.ended(organizationId, attempt))) return;
    if (attempt.state !== 'pending' || !attempt.pollAt) return;
    const waitMs = attempt.pollAt.getTime() - this.world.clock.now().getTime();
    if (waitMs > WAIT_MS) return;
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
    if (await this.look(organizationId, attempt)) await this.ask({ organizationId, attemptId });
  }

  /** True for one that is over, which is then written. */
  private async ended(organizationId: string, attempt: AttemptRow): Promise<boolean> {
    const now = this.world.clock.now().getTime();
    const overMs = now - attempt.expiresAt.getTime();
    if (overMs < 0) return false;
    const state = attempt.state as AttemptState;
    await this.database.tenant(organizationId, async (tenant) => {
      if (state === 'pending')
        await attemptsStore.move(tenant, attempt.id, state, 'expired', { pollAt: null });
      else if (state === 'exchanging')
        await attemptsStore.move(tenant, attempt.id, state, 'refused', { message: messages.interrupted });
      else if (overMs > KEPT_MS) await attemptsStore.remove(tenant, attempt.id);
    });
    return true;
  }

  /** One look. True when there is to be another. */
  private async look(organizationId: string, attempt: AttemptRow): Promise<boolean> {
    const device = await this.deviceOf(organizationId, attempt.id);
    const next = new Date(this.world.clock.now().getTime() + (device?.intervalSeconds ?? 0) * 1000);
    const isOurs =
      device &&
      (await this.database.tenant(organizationId, (tenant) => attemptsStore.takePoll(tenant, attempt, next)));
    if (!isOurs) return false;
    const polled = await this.providers.chatgpt.poll(device);
    if (polled.outcome === 'pending') {
      if (attempt.message !== null) await this.tell(organizationId, attempt, null);
      return true;
    }
    const failed =
      polled.outcome === 'failed' ? polled : await this.exchange(organizationId, attempt, polled);
    if (failed) await this.putOff(organizationId, attempt, failed, device);
    return true;
  }

  /** Said to whoever waits, who could not know else that it is not for them; and not asked again sooner than the provider wants. */
  private async putOff(
    organizationId: string,
    attempt: AttemptRow,
    { reason, retryAfterSeconds }: Failed,
    { intervalSeconds }: DeviceCode,
  ): Promise<void> {
    this.log.debug({ reason }, 'could not ask whether a login was approved');
    const seconds = Math.max(retryAfterSeconds ?? 0, intervalSeconds);
    const pollAt = new Date(this.world.clock.now().getTime() + seconds * 1000);
    const message = `${reason}. Berth goes on asking; the code stays good meanwhile.`;
    await this.tell(organizationId, attempt, message, pollAt);
  }

  private async tell(
    organizationId: string,
    { id }: AttemptRow,
    message: string | null,
    pollAt?: Date,
  ): Promise<void> {
    await this.database.tenant(organizationId, (tenant) => attemptsStore.tell(tenant, id, message, pollAt));
  }

  /** Answers what came of it where that was nothing at all. */
  private async exchange(
    organizationId: string,
    attempt: AttemptRow,
    { code, verifier }: { code: string; verifier: string },
  ): Promise<Failed | null> {
    const expiresAt = new Date(this.world.clock.now().getTime() + EXCHANGE_SECONDS * 1000);
    const actor = await this.database.tenant(organizationId, async (tenant) => {
      const isOurs = await attemptsStore.move(tenant, attempt.id, 'pending', 'exchanging', { expiresAt });
      const via = { type: 'session' as const, id: attempt.id };
      return isOurs ? this.identity.actorInside(tenant, attempt.userId, via) : null;
    });
    if (!actor) return null;
    let failed: Failed | null = null;
    try {
      await this.mayStill(actor, attempt);
      const grant = await this.providers.chatgpt.exchange(code, verifier);
      if (grant.outcome === 'failed') failed = grant;
      await this.storing.finish(actor, attempt, grant);
      this.log.info({ kind: attempt.kind, scope: attempt.scope }, 'a login was connected');
    } catch (error) {
      // What a person is to know stands in the row.
      if (!(error instanceof BerthError)) throw error;
      this.log.info({ kind: attempt.kind, reason: error.message }, 'a login was not connected');
    }
    return failed;
  }

  /** Between the link and its end the person may have lost the role, or the instance's owner have decided otherwise. */
  private async mayStill(actor: Actor, attempt: AttemptRow): Promise<void> {
    try {
      this.places.toFill(actor, attempt.scope as Scope, attempt.kind as Kind);
    } catch (error) {
      throw await this.storing.refuse(actor, attempt, messageOf(error));
    }
  }

  private async deviceOf(organizationId: string, attemptId: string): Promise<DeviceCode | null> {
    const row = await this.database.tenant(organizationId, (tenant) =>
      attemptsStore.sealed(tenant, attemptId),
    );
    if (!row) return null;
    return JSON.parse(
      await this.vault.open(row.sealed, attemptPlace(organizationId, attemptId)),
    ) as DeviceCode;
  }
}
