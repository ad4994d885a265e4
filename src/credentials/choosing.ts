import { Injectable } from '@nestjs/common';
import {
  upstreamOf,
  type Agent,
  type Candidate,
  type Kind,
  type Resolution,
  type Scope,
} from '../contracts/index.js';
import { Database, type Tenant } from '../database/index.js';
import { IdentityService } from '../identity/index.js';
import { BerthError, GatheredLooks, World } from '../kernel/index.js';
import { candidatesAmong } from './candidates.js';
import type { CandidateRow } from './credentials.store.js';
import { serves } from '../oauth/index.js';
import { kinds, type CredentialSettings } from './kinds.js';
import { LoginEndpoints } from './providers/sources.js';
import { TokenSources } from './providers/token-source.js';
import { mintedState, nameOf, tokensStore, type Token, type TokenRef } from './renewal/tokens.store.js';
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

/** What the instance's owner decided, handed in from config. */
export class CredentialPolicy {
  constructor(readonly subscriptions: SubscriptionPolicy) {}
}

/** What was chosen, with the sealed text of the generation that it was chosen at. */
export interface Choice {
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

/** What a look decided, before what is sealed is read. */
type Chosen = Pick<Choice, 'candidate' | 'isFallback' | 'isLastHope' | 'token'>;

const NOTHING = { generation: 0, lineage: '' };

/** Says who serves: resolved anew each time from the rows as they are, never from memory (rule 7). */
@Injectable()
export class Choosing {
  readonly #looks = new GatheredLooks<Choice | 'each'>();

  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly policy: CredentialPolicy,
    private readonly sources: TokenSources,
    private readonly endpoints: LoginEndpoints,
    private readonly world: World,
  ) {}

  resolve(member: ServedAgent): Promise<Resolution> {
    return this.database.tenant(member.organizationId, async (tenant) => {
      const rows = await this.rowsOf(tenant, member);
      const policy = await this.policyFor(tenant, [rows]);
      const { chosen, candidates } = this.decide(member, rows, new Map(), policy);
      return { agent: member.agent, chosen, candidates };
    });
  }

  /** See `CredentialsService.withdrawn`. */
  async withdrawn(tenant: Tenant, member: ServedMember, ids: string[]): Promise<string[]> {
    const rows = await this.rowsOf(tenant, member);
    const policy = await this.policyFor(tenant, [rows]);
    const facts = rows.map(({ id, scope, kind }) => ({ id, scope: scope as Scope, kind: kind as Kind }));
    return withdrawn(usedBy(member), ids, facts, policy);
  }

  /** Whether there is nothing to lend yet: its token is to be renewed first. */
  mustWait({ token, sealed }: Choice): boolean {
    return token !== null && (sealed === null || !serves(token, this.world.clock.now()));
  }

  /** One look for all whose workspaces ask for the same at the moment: many logins run out together, and a thousand workspaces ask together when they are renewed. Throws where nothing may serve. */
  async choose(member: ServedMember, subjectId: string): Promise<Choice> {
    const { organizationId, userId } = member;
    const what =
      'gitHost' in member
        ? `git ${member.gitHost} ${member.repository} ${member.repositoryId ?? ''} ${member.readOnly ? 'to read' : ''}`
        : [member.agent, member.only, member.bedrock ? 'Bedrock first' : ''].join();
    const key = [organizationId, what, member.organizationOnly ?? false].join();
    const shared = await this.#looks.take(key, userId, (userIds) => this.look(member, userIds, null));
    const choice = shared === 'each' ? (await this.look(member, [userId], subjectId)).get(userId) : shared;
    if (!choice || choice === 'each') throw nothingFor(member);
    return choice;
  }

  /** All in one, for each of these members: the choice, its token's state, and what is sealed of it. `each`: there are tokens that each subject has of its own, and nobody was named. */
  private look(
    what: ServedMember,
    userIds: string[],
    subjectId: string | null,
  ): Promise<Map<string, Choice | 'each'>> {
    const lookedAt = performance.now();
    // Apart: it may be shared, and no part of the transaction of whoever came first.
    return this.database.apart(what.organizationId, async (tenant) => {
      const rows = await candidatesAmong(tenant, what, userIds, this.endpoints.github.webUrl);
      const policy = await this.policyFor(tenant, [...rows.values()]);
      const found = new Map<string, Chosen | 'each'>();
      for (const [userId, own] of rows) {
        const isOfEach = subjectId === null && own.some(isMinted);
        const tokens = isOfEach
          ? new Map<string, Token>()
          : await this.tokensOf(tenant, own, subjectId ?? '');
        const chosen = isOfEach ? 'each' : this.chosenOf({ ...what, userId }, own, tokens, policy);
        if (chosen) found.set(userId, chosen);
      }
      return this.withSealed(tenant, found, lookedAt);
    });
  }

  private chosenOf(
    member: ServedMember,
    rows: CandidateRow[],
    tokens: Map<string, Token>,
    policy: Policy,
  ): Chosen | null {
    const { chosen, lastHope, isFallback } = this.decide(member, rows, tokens, policy);
    const candidate = chosen ?? lastHope;
    if (!candidate) return null;
    return {
      candidate,
      isFallback,
      isLastHope: chosen === null,
      token: tokens.get(candidate.credentialId) ?? null,
    };
  }

  /** Removed or changed between two statements: as if the look had been a moment later. */
  private async withSealed(
    tenant: Tenant,
    found: Map<string, Chosen | 'each'>,
    lookedAt: number,
  ): Promise<Map<string, Choice | 'each'>> {
    const refs = [...found.values()].flatMap((chosen) => (chosen === 'each' ? [] : refOf(chosen)));
    const texts = await tokensStore.sealedAll(tenant, refs);
    return new Map(
      [...found].map(([userId, chosen]): [string, Choice | 'each'] => {
        if (chosen === 'each') return [userId, chosen];
        const text = texts.get(nameOf(refOf(chosen)));
        const { generation, lineage } = chosen.token ?? text ?? NOTHING;
        const isSame = text?.generation === generation && text.lineage === lineage;
        const sealed = isSame ? text.sealed : null;
        return [userId, { ...chosen, generation, lineage, sealed, settings: text?.settings ?? {}, lookedAt }];
      }),
    );
  }

  private async rowsOf(tenant: Tenant, member: ServedMember): Promise<CandidateRow[]> {
    const { userId } = member;
    const rows = await candidatesAmong(tenant, member, [userId], this.endpoints.github.webUrl);
    return rows.get(userId) ?? [];
  }

  private decide(
    member: ServedMember,
    rows: CandidateRow[],
    tokens: Map<string, Token>,
    policy: Policy,
  ): Decision {
    const facts = rows.map((row) => this.factsOf(row, tokens.get(row.id) ?? null));
    const first: Kind | undefined = 'bedrock' in member && member.bedrock ? 'aws_bedrock' : undefined;
    const decision = resolve(usedBy(member), facts, { ...policy, first }, this.world.clock.now());
    return 'only' in member && member.only ? ofKind(member.only, decision) : decision;
  }

  /** The rows of one member by one. Where nobody has both scopes, it does not matter which of them may serve in place of the other. */
  private async policyFor(tenant: Tenant, all: CandidateRow[][]): Promise<Policy> {
    const isMixed = all.some((rows) => new Set(rows.map(({ scope }) => scope)).size > 1);
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
}

const refOf = ({ token, candidate }: Chosen): TokenRef =>
  token?.ref ?? { credentialId: candidate.credentialId, workspaceId: null };

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
    `No usable git token for ${host}. Set your own or the organization's (berth credentials set git_token; or PUT …/credentials/{scope}/git_token).`,
  );
}

export function noCredential(agent: Agent): BerthError {
  const name = upstreamOf[agent] === 'anthropic' ? 'Claude Code' : 'Codex';
  return new BerthError(
    'no-agent-credential',
    `No usable credential for ${name}. Set your own or the organization's (berth credentials set <kind>; or PUT …/credentials/{scope}/{kind}). What is missing: berth credentials explain ${agent}, or GET …/credentials/resolution?agent=${agent}.`,
  );
}
