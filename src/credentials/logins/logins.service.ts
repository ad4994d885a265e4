import { Injectable } from '@nestjs/common';
import { Audit } from '../../audit/index.js';
import type {
  Authorization,
  AuthorizationStatus,
  CredentialView,
  Kind,
  Scope,
} from '../../contracts/index.js';
import { Database, isUniqueViolation, type Tenant } from '../../database/index.js';
import { auditedMember, hashToken, type Actor } from '../../identity/index.js';
import { BerthError, crashPoint, World } from '../../kernel/index.js';
import { CredentialPlaces } from '../credential-places.js';
import type { CredentialPlace } from '../credentials.store.js';
import { kinds } from '../kinds.js';
import { ProviderLogins } from '../providers/sources.js';
import type { DeviceBegun } from '../providers/chatgpt.js';
import { Vault } from '../vault.js';
import {
  ATTEMPT_SECONDS,
  EXCHANGE_SECONDS,
  messages,
  methodOf,
  readPasted,
  refusalOf,
  statusOf,
} from './attempt.js';
import { attemptsStore, subjectOf, type AttemptRow } from './attempts.store.js';
import { LoginPolling } from './login-polling.js';
import { LoginStoring } from './login-storing.js';
import { attemptPlace } from './sealed-attempts.js';
import { noticeFor } from './terms.js';

const DEVICE_RETRY_SECONDS = 10;
const TRIES = 3;

/** Connects logins: a link, a code, and what comes of it. */
@Injectable()
export class LoginsService {
  constructor(
    private readonly database: Database,
    private readonly places: CredentialPlaces,
    private readonly providers: ProviderLogins,
    private readonly storing: LoginStoring,
    private readonly polling: LoginPolling,
    private readonly vault: Vault,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** Begins an attempt in place of an open one. Throws `forbidden`, `operation-not-possible`, `login-refused` (codes are not enabled), `not-ready`. */
  async begin(actor: Actor, scope: Scope, kind: Kind): Promise<Authorization> {
    const method = methodOf(kind);
    const place = this.places.toFill(actor, scope, kind);
    const notice = noticeFor(kind, scope) ?? '';
    if (method === 'paste') return { ...(await this.beginPaste(actor, place)), notice };
    return { ...(await this.beginDevice(actor, place)), notice };
  }

  /** How far the latest attempt is. Throws `forbidden`, `not-found`. */
  async show(actor: Actor, scope: Scope, kind: Kind): Promise<AuthorizationStatus> {
    const place = this.places.toChange(actor, scope, kind);
    const attempt = await this.database.tenant(actor.organizationId, (tenant) =>
      attemptsStore.latest(tenant, place),
    );
    if (!attempt) throw new BerthError('not-found', `Nobody began to connect a ${kinds[kind].title} here.`);
    return statusOf(attempt, this.world.clock.now());
  }

  /**
   * Exchanges a pasted code. The attempt is claimed before the provider is called, so that of two at once one calls, and one that is killed in between says so. Throws `forbidden`,
   * `validation-failed`, `login-refused`, `not-ready`.
   */
  async complete(actor: Actor, scope: Scope, kind: Kind, text: string): Promise<CredentialView> {
    if (methodOf(kind) !== 'paste')
      throw new BerthError(
        'operation-not-possible',
        'There is nothing to paste: type the code at the page of the link, and Berth goes on by itself.',
      );
    const place = this.places.toFill(actor, scope, kind);
    const { code, state } = readPasted(text);
    const { attempt, verifier } = await this.database.tenant(actor.organizationId, (tenant) =>
      this.claim(tenant, actor, place, state),
    );
    crashPoint('login.exchanging');
    const grant = await this.providers.claude.exchange(code, state, verifier);
    return this.storing.finish(actor, attempt, grant);
  }

  private async claim(
    tenant: Tenant,
    actor: Actor,
    place: CredentialPlace,
    state: string,
  ): Promise<{ attempt: AttemptRow; verifier: string }> {
    const attempt = await attemptsStore.byState(tenant, hashToken(state));
    const now = this.world.clock.now();
    if (attempt?.kind !== place.kind) throw refused(messages.unknown);
    // Who made the link must be who brings its code: else somebody's account could be slipped under another's name.
    if (attempt.userId !== actor.userId) throw refused(messages.another);
    if (attempt.subject !== subjectOf(place)) throw refused(messages.unknown);
    const refusal = refusalOf(attempt, now);
    if (refusal) throw refused(refusal);
    const row = await attemptsStore.sealed(tenant, attempt.id);
    if (!row) throw refused(messages.unknown);
    // Before it is claimed: a process that lacks the key leaves the code to one that has it.
    const opened = await this.vault.open(row.sealed, attemptPlace(actor.organizationId, attempt.id));
    const { verifier } = JSON.parse(opened) as { verifier: string };
    const expiresAt = new Date(now.getTime() + EXCHANGE_SECONDS * 1000);
    if (!(await attemptsStore.move(tenant, attempt.id, 'pending', 'exchanging', { expiresAt })))
      throw refused('This code is being exchanged at this moment.');
    // Booked before the exchange: where it cannot be, the code is not spent.
    this.audit.record(tenant, {
      action: 'credential.code-brought',
      actor: auditedMember(actor),
      subject: { type: 'credential', id: null, name: place.kind },
      details: { scope: place.scope },
    });
    return { attempt, verifier };
  }

  private async beginPaste(actor: Actor, place: CredentialPlace) {
    const [state, verifier] = [this.randomText(), this.randomText()];
    const expiresAt = await this.store(
      actor,
      place,
      { verifier },
      { stateHash: hashToken(state), pollAt: null },
    );
    const authorizationUrl = this.providers.claude.authorizationUrl(verifier, state);
    return { method: 'paste' as const, authorizationUrl, state, expiresAt };
  }

  private async beginDevice(actor: Actor, place: CredentialPlace) {
    const device = deviceOf(await this.providers.chatgpt.begin());
    const pollAt = new Date(this.world.clock.now().getTime() + device.intervalSeconds * 1000);
    const { verificationUrl, userCode } = device;
    const expiresAt = await this.store(actor, place, device, { stateHash: null, pollAt });
    return { method: 'device' as const, verificationUrl, userCode, expiresAt };
  }

  /** Writes the attempt, what proves it sealed; answers when it ends. */
  private async store(
    actor: Actor,
    place: CredentialPlace,
    proof: object,
    { stateHash, pollAt }: { stateHash: string | null; pollAt: Date | null },
  ): Promise<string> {
    const { organizationId, userId } = actor;
    const id = this.world.ids.next();
    const createdAt = this.world.clock.now();
    const expiresAt = new Date(createdAt.getTime() + ATTEMPT_SECONDS * 1000);
    const { text: sealed, keyId } = await this.vault.seal(
      JSON.stringify(proof),
      attemptPlace(organizationId, id),
    );
    const attempt = { id, userId, stateHash, sealed, keyId, pollAt, createdAt, expiresAt };
    await again(() =>
      this.database.tenant(organizationId, async (tenant) => {
        await attemptsStore.begin(tenant, place, attempt);
        this.audit.record(tenant, {
          action: 'credential.connect-begun',
          actor: auditedMember(actor),
          subject: { type: 'credential', id: null, name: place.kind },
          details: { scope: place.scope },
        });
        if (pollAt) tenant.afterCommit(() => this.polling.ask({ organizationId, attemptId: id }));
      }),
    );
    return expiresAt.toISOString();
  }

  /** 256 bits, and as a PKCE verifier of the shortest length that RFC 7636 allows. */
  private randomText(): string {
    return this.world.random(32).toString('base64url');
  }
}

/** Two beginnings at once: the other one was quicker, so that ours replaces it now. */
async function again(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isUniqueViolation(error) || tries === TRIES) throw error;
    }
  }
}

function deviceOf(begun: DeviceBegun) {
  switch (begun.outcome) {
    case 'begun':
      return begun.device;
    case 'disabled':
      throw refused(
        'ChatGPT does not let this account sign in with a code. Allow it in ChatGPT (Settings, Security: device code authorization for Codex; in a workspace its admin does), or use an OpenAI API key.',
      );
    case 'failed':
      throw new BerthError('not-ready', `${begun.reason}. Try again in a moment.`, {
        retryAfterSeconds: begun.retryAfterSeconds ?? DEVICE_RETRY_SECONDS,
      });
  }
}

function refused(message: string): BerthError {
  return new BerthError('login-refused', message);
}
