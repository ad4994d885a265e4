import { Injectable } from '@nestjs/common';
import type { Tenant } from '../database/index.js';
import { World } from '../kernel/index.js';
import { credentialsStore } from './credentials.store.js';
import { kinds } from './kinds.js';
import { reactionTo, type ReportedType } from './renewal/reaction.js';
import { Rejections } from './renewal/rejections.js';
import { Renewals } from './renewal/renewals.service.js';
import { tokensStore, type Token } from './renewal/tokens.store.js';

/** What a proxy tells of a credential that it was lent, beside that it served. */
export interface CredentialReport {
  credentialId: string;
  generation: number;
  status?: number;
  errorType: string | null;
  /** When a plan's quota is there again, as the provider said. */
  until?: string | null;
}

/** The longest quota of a plan is a month's. */
const LONGEST_LIMIT_MS = 32 * 24 * 3600 * 1000;

/** Reacts to what providers said to requests with a credential (reaction.ts). Each works inside a transaction of the caller. */
@Injectable()
export class CredentialReports {
  constructor(
    private readonly renewals: Renewals,
    private readonly rejections: Rejections,
    private readonly world: World,
  ) {}

  /** `subjectId`: to whom it was lent. */
  async take(tenant: Tenant, type: ReportedType, report: CredentialReport, subjectId: string): Promise<void> {
    const token = await this.tokenOf(tenant, report.credentialId, subjectId);
    if (!token) return;
    const now = this.world.clock.now();
    const until = report.until ? new Date(report.until) : null;
    const renewable = kinds[token.kind].renewal !== null;
    const row = { ...token, renewable };
    const at = { id: report.credentialId, lineage: token.lineage };
    switch (reactionTo({ type, generation: report.generation, until }, row, now)) {
      case 'nothing':
        return;
      case 'renew':
        return this.renew(tenant, token);
      case 'reject':
        await this.rejections.reject(tenant, token, saidOf(report));
        return;
      case 'note':
        return credentialsStore.note(tenant, at, saidOf(report), now);
      case 'limit': {
        const latest = new Date(now.getTime() + LONGEST_LIMIT_MS);
        const limitedUntil = until && until < latest ? until : latest;
        if (await credentialsStore.limit(tenant, at, limitedUntil, now))
          await this.renewals.tellChanged(tenant, report.credentialId);
      }
    }
  }

  private async tokenOf(tenant: Tenant, credentialId: string, subjectId: string): Promise<Token | null> {
    const own = await tokensStore.find(tenant, { credentialId, workspaceId: null });
    if (!own || kinds[own.kind].renewal !== 'minted') return own;
    return tokensStore.find(tenant, { credentialId, workspaceId: subjectId });
  }

  /** However many report it: one of them writes it down, and one renewal follows. */
  private async renew(tenant: Tenant, token: Token): Promise<void> {
    if (!(await tokensStore.refuse(tenant, token, this.world.clock.now()))) return;
    await this.renewals.tellChanged(tenant, token.ref.credentialId);
    this.renewals.askAfter(tenant, token.ref, token.generation);
  }
}

function saidOf({ status, errorType }: CredentialReport): string {
  const code = status === undefined ? 'refused' : `refused with status ${status}`;
  return `${code}${errorType ? ` (${errorType})` : ''}`;
}
