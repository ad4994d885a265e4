import { Inject, Injectable } from '@nestjs/common';
import {
  upstreamOf,
  type Agent,
  type Candidate,
  type Kind,
  type Lease,
  type Resolution,
  type Scope,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { IdentityService } from '../identity/index.js';
import { BerthError, METRICS, SharedLooks, Turnstile, World, type Metrics } from '../kernel/index.js';
import { reasonToRenew, serves } from '../oauth/index.js';
import { candidatesFor } from './candidates.js';
import type { CandidateRow } from './credentials.store.js';
import { kinds, type CredentialSettings } from './kinds.js';
import { leasesStore, type LeaseRow } from './leases.store.js';
import { LoginEndpoints } from './providers/sources.js';
import { TokenSources } from './providers/token-source.js';
import { placeOf } from './renewal/place.js';
import { Renewals } from './renewal/renewals.service.js';
import { mintedState, tokensStore, type Token } from './renewal/tokens.store.js';
import {
  ofKind,
  resolve,
  withdrawn,
  type CredentialFacts,
  type Decision,
  type Policy,
  type SubscriptionPolicy,
} from './resolution.js';
import { usedBy, type ServedAgent, type ServedMember } from './served.js';
import { Vault } from './vault.js';

/** A lease is asked anew after so long: what was removed meanwhile serves no longer than that. Five is the line, with what a busy machine takes to answer. */
const LEASE_SECONDS = 3;
/** How long a lease waits for a token to be renewed; then it is to be asked for again. */
const WAIT_MS = 20_000;
const RETRY_SECONDS = 1;
/** So many leases of one organization are booked at a time in this process, which has ten connections for everything; a crowd that comes at once waits here and not for connections, where it would be turned away. */
const BOOKED_AT_A_TIME = 4;
/** So old a look may be when a lease is booked by it. */
const FRESH_MS = 500;

/** What the instance's owner decided, handed in from config. */
export class CredentialPolicy {
  constructor(readonly subscriptions: SubscriptionPolicy) {}
}

export interface LeaseTerms {
  /** Asked in the transaction in which a credential of this kind is lent. What it throws is answered in place of the lease. */
  stillFor: (tenant: Tenant, kind: Kind) => Promise<boolean>;
  /** How long a member's own is leased, where it is to be shorter than usual. */
  ownSeconds?: number | undefined;
}

/** What was chosen, with the sealed text of the generation that it was chosen at. */
interface Choice {
  candidate: Candidate;
  isFallback: boolean;
  /** It is waited for since there is no other. */
  isLastHope: boolean;
  /** Of a kind that is renewed; null: it is as it is. */
  token: Token | null;
  generation: number;
  lineage: string;
  /** Null while there is no token yet. */
  sealed: string | null;
  /** Those that were set with what is sealed. */
  settings: CredentialSettings;
  /** When the look began, by `performance.now()`. */
  lookedAt: number;
}

const NOTHING = { generation: 0, lineage: '' };

/** Says who serves, and lends it: resolved anew each time from the rows as they are, never from memory (rule 7). */
@Injectable()
export class Leasing {
  readonly #looks = new SharedLooks<Choice | null | 'each'>();
  readonly #booking = new Turnstile(BOOKED_AT_A_TIME);

  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly vault: Vault,
    private readonly policy: CredentialPolicy,
    private readonly sources: TokenSources,
    private readonly endpoints: LoginEndpoints,
    private readonly renewals: Renewals,
    private readonly world: World,
    private readonly audit: Audit,
    @Inject(METRICS) private readonly metrics: Metrics,
  ) {}

  resolve(member: ServedAgent): Promise<Resolution> {
    return this.database.tenant(member.organizationId, async (tenant) => {
      const rows = await candidatesFor(tenant, member, this.endpoints.github.webUrl);
      const { chosen, candidates } = await this.decide(tenant, member, rows, new Map());
      return { agent: member.agent, chosen, candidates };
    });
  }

  /** See `CredentialsService.withdrawn`. */
  async withdrawn(tenant: Tenant, member: ServedMember, ids: string[]): Promise<string[]> {
    const rows = await candidatesFor(tenant, member, this.endpoints.github.webUrl);
    const policy = await this.policyFor(tenant, rows);
    const facts = rows.map(({ id, scope, kind }) => ({ id, scope: scope as Scope, kind: kind as Kind }));
    return withdrawn(usedBy(member), ids, facts, policy);
  }

  /** See `CredentialsService.lease`. */
  async lease(member: ServedMember, subjectId: string, terms: LeaseTerms): Promise<Lease> {
    const begun = performance.now();
    for (let hasWaited = false; ;) {
      const choice = await this.choose(member, subjectId);
      const waited = performance.now() - begun;
      if (!this.mustWait(choice)) {
        const lease = await this.#booking.run(member.organizationId, () =>
          this.grantInTurn(member, subjectId, choice, terms),
        );
        if (!lease) continue;
        if (hasWaited)
          this.metrics.observe('berth_credential_wait_seconds', { outcome: 'served' }, waited / 1000);
        return lease;
      }
      hasWaited = true;
      if (!(await this.waitFor(member, choice, WAIT_MS - waited))) {
        this.metrics.observe(
          'berth_credential_wait_seconds',
          { outcome: 'late' },
          (performance.now() - begun) / 1000,
        );
        throw beingRenewed(choice.candidate);
      }
    }
  }

  /** Who waited long for their turn looks again: what was removed meanwhile must not be lent. Null when it does not serve any more. */
  private async grantInTurn(
    member: ServedMember,
    subjectId: string,
    before: Choice,
    terms: LeaseTerms,
  ): Promise<Lease | null> {
    const isFresh = performance.now() - before.lookedAt <= FRESH_MS;
    const choice = isFresh ? before : await this.choose(member, subjectId);
    return this.mustWait(choice) ? null : this.grant(member, subjectId, choice, terms);
  }

  private mustWait({ token, sealed }: Choice): boolean {
    return token !== null && (sealed === null || !serves(token, this.world.clock.now()));
  }

  private async waitFor({ organizationId }: ServedMember, choice: Choice, leftMs: number): Promise<boolean> {
    const { token, isLastHope } = choice;
    if (!token || leftMs <= 0) return false;
    return this.renewals.answered(organizationId, token, isLastHope, leftMs);
  }

  /** One look for all who ask for this member at the moment: a thousand workspaces whose token has just been renewed ask together. */
  private async choose(member: ServedMember, subjectId: string): Promise<Choice> {
    const { organizationId, userId } = member;
    const what =
      'gitHost' in member
        ? `git ${member.gitHost} ${member.repository} ${member.repositoryId ?? ''} ${member.readOnly ? 'to read' : ''}`
        : [member.agent, member.only, member.bedrock ? 'Bedrock first' : ''].join();
    const shared = await this.#looks.take(
      [organizationId, userId, what, member.organizationOnly ?? false].join(),
      () => this.look(member, null),
    );
    const choice = shared === 'each' ? await this.look(member, subjectId) : shared;
    if (!choice || choice === 'each') throw nothingFor(member);
    return choice;
  }

  /** All in one: the choice, its token's state, and what is sealed of it. `each`: there are tokens that each subject has of its own, and nobody was named. */
  private look(member: ServedMember, subjectId: string | null): Promise<Choice | null | 'each'> {
    const lookedAt = performance.now();
    // Apart: it may be shared, and no part of the transaction of whoever came first.
    return this.database.apart(member.organizationId, async (tenant) => {
      const rows = await candidatesFor(tenant, member, this.endpoints.github.webUrl);
      if (subjectId === null && rows.some(isMinted)) return 'each';
      const tokens = await this.tokensOf(tenant, rows, subjectId ?? '');
      const { chosen, lastHope, isFallback } = await this.decide(tenant, member, rows, tokens);
      const candidate = chosen ?? lastHope;
      if (!candidate) return null;
      const token = tokens.get(candidate.credentialId) ?? null;
      const sealed = await this.sealedOf(tenant, candidate.credentialId, token);
      return { candidate, isFallback, isLastHope: chosen === null, token, ...sealed, lookedAt };
    });
  }

  /** Removed or changed between two statements: as if the look had been a moment later. */
  private async sealedOf(
    tenant: Tenant,
    credentialId: string,
    token: Token | null,
  ): Promise<Pick<Choice, 'generation' | 'lineage' | 'sealed' | 'settings'>> {
    const ref = { credentialId, workspaceId: token?.ref.workspaceId ?? null };
    const found = await tokensStore.sealed(tenant, ref);
    const { generation, lineage } = token ?? found ?? NOTHING;
    const isSame = found?.generation === generation && found.lineage === lineage;
    return { generation, lineage, sealed: isSame ? found.sealed : null, settings: found?.settings ?? {} };
  }

  private async decide(
    tenant: Tenant,
    member: ServedMember,
    rows: CandidateRow[],
    tokens: Map<string, Token>,
  ): Promise<Decision> {
    const policy = await this.policyFor(tenant, rows);
    const facts = rows.map((row) => this.factsOf(row, tokens.get(row.id) ?? null));
    const first: Kind | undefined = 'bedrock' in member && member.bedrock ? 'aws_bedrock' : undefined;
    const decision = resolve(usedBy(member), facts, { ...policy, first }, this.world.clock.now());
    return 'only' in member && member.only ? ofKind(member.only, decision) : decision;
  }

  private async policyFor(tenant: Tenant, rows: CandidateRow[]): Promise<Policy> {
    const isMixed = new Set(rows.map(({ scope }) => scope)).size > 1;
    const organizationFallback = !isMixed || (await this.identity.organizationFallback(tenant));
    return { subscriptions: this.policy.subscriptions, organizationFallback };
  }

  private factsOf(row: CandidateRow, token: Token | null): CredentialFacts {
    const kind = row.kind as Kind;
    const { renewal } = kinds[kind];
    return {
      ...row,
      scope: row.scope as Scope,
      kind,
      status: row.status as CredentialFacts['status'],
      fallback: (row.settings as CredentialSettings).fallback ?? null,
      token: renewal === 'login' ? row : token,
      unobtainable: renewal && this.sources.obstacle(kind, row.settings as CredentialSettings),
    };
  }

  /** Of credentials that are renewed: their own token, or the one that the subject has of its own. */
  private async tokensOf(
    tenant: Tenant,
    rows: CandidateRow[],
    subjectId: string,
  ): Promise<Map<string, Token>> {
    const minted = rows.filter(isMinted).map(({ id }) => id);
    const states = minted.length > 0 ? await tokensStore.mintedFor(tenant, subjectId, minted) : [];
    const tokens = rows.flatMap((row): [string, Token][] => {
      const { renewal } = kinds[row.kind as Kind];
      if (renewal === null) return [];
      const isOwn = renewal === 'login';
      const state = isOwn
        ? row
        : mintedState(states.find((one) => one.credentialId === row.id) ?? null, row.lineage);
      const token = {
        ...row,
        ...state,
        ref: { credentialId: row.id, workspaceId: isOwn ? null : subjectId },
      };
      return [[row.id, token as unknown as Token]];
    });
    return new Map(tokens);
  }

  private async grant(
    member: ServedMember,
    subjectId: string,
    choice: Choice,
    { stillFor, ownSeconds = LEASE_SECONDS }: LeaseTerms,
  ): Promise<Lease> {
    const { organizationId } = member;
    const { candidate, token, generation, lineage, sealed, settings } = choice;
    const { credentialId, scope, kind, reason } = candidate;
    // Removed between the two looks: the next lease resolves without it.
    if (sealed === null) throw notReady('The credential was just removed. Ask again.');
    const place = placeOf(organizationId, token?.ref ?? { credentialId, workspaceId: null });
    const secret = JSON.parse(await this.vault.open(sealed, place)) as Record<string, string>;
    const now = this.world.clock.now();
    const seconds = scope === 'user' ? ownSeconds : LEASE_SECONDS;
    const expiresAt = new Date(now.getTime() + seconds * 1000);
    const userId = scope === 'user' ? member.userId : null;
    const row = {
      workspaceId: subjectId,
      credentialId,
      generation,
      scope,
      kind,
      reason,
      userId,
      expiresAt,
      lineage,
    };
    await this.database.tenant(organizationId, async (tenant) => {
      if (!(await stillFor(tenant, kind))) throw notReady('It works for somebody else by now. Ask again.');
      await this.book(tenant, member, row, choice.isFallback);
    });
    // It still serves, and will not for long: whoever comes then shall not have to wait.
    if (token && reasonToRenew(token, now)) void this.renewals.ask(organizationId, token.ref, generation);
    return {
      credentialId,
      generation,
      expiresAt: expiresAt.toISOString(),
      secret: kinds[kind].lease(secret, { ...settings, ...regionFor(member, kind) }),
    };
  }

  /** What is booked once per workspace and login or setting, not per lease: every 3 seconds would say nothing more. */
  private async book(
    tenant: Tenant,
    member: ServedMember,
    lease: LeaseRow,
    isFallback: boolean,
  ): Promise<void> {
    const before = isFallback ? await leasesStore.last(tenant, lease) : null;
    if (await leasesStore.save(tenant, lease)) this.record(tenant, 'credential.used', member, lease);
    if (!isFallback || before?.reason === lease.reason) return;
    tenant.metrics.count('berth_credential_fallbacks_total', { kind: lease.kind });
    this.record(tenant, 'credential.fallback', member, lease);
  }

  private record(
    tenant: Tenant,
    action: 'credential.used' | 'credential.fallback',
    member: ServedMember,
    { workspaceId, credentialId, kind, scope, generation, reason }: LeaseRow,
  ): void {
    this.audit.record(tenant, {
      action,
      actor: { type: 'machine', id: workspaceId, name: 'proxy of the workspace', apiKeyId: null },
      subject: { type: 'credential', id: credentialId, name: kind },
      details: { scope, generation, agent: usedBy(member), reason, forMember: member.userId },
    });
  }
}

/** Where Bedrock is asked, if the work says so; else where the key was set for. */
function regionFor(member: ServedMember, kind: Kind): { region?: string } {
  const region = kind === 'aws_bedrock' && 'bedrock' in member ? member.bedrock?.region : null;
  return region ? { region } : {};
}

function isMinted({ kind }: Pick<CandidateRow, 'kind'>): boolean {
  return kinds[kind as Kind].renewal === 'minted';
}

function nothingFor(member: ServedMember): BerthError {
  return 'gitHost' in member ? noGitCredential(member.gitHost) : noCredential(member.agent);
}

/** Git goes without one then. */
export function noGitCredential(host: string): BerthError {
  return new BerthError(
    'no-git-credential',
    `No usable git token for ${host}. Set your own or the organization's (PUT …/credentials/{scope}/git_token).`,
  );
}

export function noCredential(agent: Agent): BerthError {
  const name = upstreamOf[agent] === 'anthropic' ? 'Claude Code' : 'Codex';
  return new BerthError(
    'no-agent-credential',
    `No usable credential for ${name}. Set your own or the organization's (PUT …/credentials/{scope}/{kind}); GET …/credentials/resolution?agent=${agent} explains what is missing.`,
  );
}

function notReady(message: string): BerthError {
  return new BerthError('not-ready', message, { retryAfterSeconds: RETRY_SECONDS });
}

function beingRenewed({ kind }: Candidate): BerthError {
  return notReady(
    `The ${kinds[kind].title} is being renewed, and its provider has not answered yet. Ask again.`,
  );
}
