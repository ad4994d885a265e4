import { Inject, Injectable } from '@nestjs/common';
import { Database, SystemStore, type RenewalCursor, type RenewalRow } from '../../database/index.js';
import { LOG, messageOf, World, type Log } from '../../kernel/index.js';
import { leasesStore } from '../leases.store.js';
import { Renewals } from './renewals.service.js';
import { STALE_SECONDS } from './claims.js';
import { CredentialSubjects } from './subjects.js';
import { tokensStore } from './tokens.store.js';

const PAGE = 500;
/** What was not used for so long is renewed when it is used again. */
const LATELY_MS = 3600 * 1000;

type Page = (now: Date, after: RenewalCursor | null, limit: number) => Promise<RenewalRow[]>;

/** Finds, for the sweep, the tokens that are due, and renewals whose process is gone. Tokens that nobody uses are found once and are not due again until somebody does. */
@Injectable()
export class DueRenewals {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly renewals: Renewals,
    private readonly subjects: CredentialSubjects,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async askForAll(): Promise<void> {
    const { renewals } = this.system;
    for (const row of await renewals.stale(STALE_SECONDS)) await this.ask(row);
    await this.eachPage((...page) => renewals.dueLogins(...page));
    await this.eachPage((...page) => renewals.dueMinted(...page));
  }

  private async eachPage(read: Page): Promise<void> {
    const now = this.world.clock.now();
    for (let after: RenewalCursor | null = null; ;) {
      const page: RenewalRow[] = await read(now, after, PAGE);
      for (const organizationId of new Set(page.map((row) => row.organizationId)))
        await this.tryToSort(
          organizationId,
          page.filter((row) => row.organizationId === organizationId),
          now,
        );
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      after = last;
    }
  }

  /** One organization of which nothing can be read or written at the moment (a row is held, say) keeps no other's from being renewed; it is tried again at the next. */
  private async tryToSort(organizationId: string, rows: RenewalRow[], now: Date): Promise<void> {
    try {
      await this.sort(organizationId, rows, now);
    } catch (error) {
      this.log.warn(
        { organizationId, reason: messageOf(error) },
        'tokens that are due could not be looked at; they are at the next sweep',
      );
    }
  }

  /** Those that living subjects used lately are renewed; the others rest. */
  private async sort(organizationId: string, rows: RenewalRow[], now: Date): Promise<void> {
    const since = new Date(now.getTime() - LATELY_MS);
    const used = await this.database.tenant(organizationId, async (tenant) => {
      const ids = [...new Set(rows.map(({ credentialId }) => credentialId))];
      const uses = await leasesStore.usesSince(tenant, ids, since);
      const living = new Set(
        await this.subjects.all.living(tenant, [...new Set(uses.map(({ workspaceId }) => workspaceId))]),
      );
      const alive = uses.filter(({ workspaceId }) => living.has(workspaceId));
      const isUsed = ({ credentialId, workspaceId }: RenewalRow): boolean =>
        alive.some(
          (use) =>
            use.credentialId === credentialId && (workspaceId === null || use.workspaceId === workspaceId),
        );
      for (const row of rows) if (!isUsed(row)) await tokensStore.lull(tenant, row, row.generation);
      return rows.filter(isUsed);
    });
    await Promise.all(used.map((row) => this.ask(row)));
  }

  private ask({ organizationId, credentialId, workspaceId, generation }: RenewalRow): Promise<void> {
    return this.renewals.ask(organizationId, { credentialId, workspaceId }, generation);
  }
}
