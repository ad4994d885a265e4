import { Injectable } from '@nestjs/common';
import type { CredentialView, Kind, Scope } from '../../contracts/index.js';
import { Database } from '../../database/index.js';
import type { Actor } from '../../identity/index.js';
import { BerthError, crashPoint, World } from '../../kernel/index.js';
import { CredentialsService } from '../credentials.service.js';
import type { ParsedCredential } from '../kinds.js';
import type { Grant } from '../providers/grant.js';
import { messages, type AttemptState } from './attempt.js';
import { attemptsStore, type AttemptRow } from './attempts.store.js';

const AGAIN = 'Begin again.';
const RETRY_SECONDS = 5;

/** The second half of both ways to connect: what came of the exchange becomes the credential, and the attempt ends. */
@Injectable()
export class LoginStoring {
  constructor(
    private readonly database: Database,
    private readonly credentials: CredentialsService,
    private readonly world: World,
  ) {}

  /**
   * Ends an attempt that is `exchanging`. What surely was not exchanged goes back to `pending`, since its code is still good. Throws `login-refused` and `not-ready`, with what to do next.
   */
  async finish(actor: Actor, attempt: AttemptRow, grant: Grant<ParsedCredential>): Promise<CredentialView> {
    crashPoint('login.exchanged');
    switch (grant.outcome) {
      case 'granted':
        return this.store(actor, attempt, grant.value);
      case 'rejected':
        throw await this.refuse(actor, attempt, `${grant.reason}. ${AGAIN}`);
      case 'unknown':
        throw await this.refuse(actor, attempt, `${grant.reason}; the code may be spent. ${AGAIN}`);
      case 'failed': {
        await this.move(actor.organizationId, attempt, 'pending', { expiresAt: attempt.expiresAt });
        throw new BerthError('not-ready', `${grant.reason}. The code is still good: try once more.`, {
          retryAfterSeconds: grant.retryAfterSeconds ?? RETRY_SECONDS,
        });
      }
    }
  }

  /** Ends it for a reason that a person reads; answers the error that says it. */
  async refuse(
    { organizationId }: Pick<Actor, 'organizationId'>,
    attempt: AttemptRow,
    message: string,
  ): Promise<BerthError> {
    await this.move(organizationId, attempt, 'refused', { message, pollAt: null });
    return new BerthError('login-refused', message);
  }

  private store(actor: Actor, attempt: AttemptRow, parsed: ParsedCredential): Promise<CredentialView> {
    const [scope, kind] = [attempt.scope as Scope, attempt.kind as Kind];
    const place = { scope, kind, userId: scope === 'user' ? attempt.userId : null };
    return this.credentials.connect(actor, place, parsed, async (tenant) => {
      const at = this.world.clock.now();
      const isOurs = await attemptsStore.move(tenant, attempt.id, 'exchanging', 'connected', {
        message: null,
        expiresAt: at,
      });
      // Replaced in between, or its person is gone: a late result of an old attempt changes nothing.
      if (!isOurs) throw new BerthError('login-refused', messages.replaced);
    });
  }

  private async move(
    organizationId: string,
    { id }: AttemptRow,
    to: AttemptState,
    more: Parameters<typeof attemptsStore.move>[4],
  ): Promise<void> {
    await this.database.tenant(organizationId, (tenant) =>
      attemptsStore.move(tenant, id, 'exchanging', to, more),
    );
  }
}
