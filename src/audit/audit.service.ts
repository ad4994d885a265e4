import { Inject, Injectable } from '@nestjs/common';
import type { AnchorQuery, AuditEntryView, AuditQuery, AuditVerdict } from '../contracts/index.js';
import {
  Database,
  isConflict,
  isUnavailable,
  SystemStore,
  type Tenant,
  type Transaction,
} from '../database/index.js';
import { invalid, type Page } from '../http/index.js';
import {
  BerthError,
  canonicalJson,
  ChainVerifier,
  currentCause,
  forCause,
  GENESIS_HASH,
  LOG,
  messageOf,
  World,
  type Log,
} from '../kernel/index.js';
import { auditStore } from './audit.store.js';
import { nextEntry, type NewEntry } from './entry.js';

/** Entries per look when a whole chain is read: each look is a short transaction of its own. */
const BATCH = 1000;
const RETRY_SECONDS = 30;

/**
 * The record of who did what: one hash chain per organization, one for the instance. An entry is written in the transaction of what it tells of, so that neither is
 * there without the other; where it cannot be written, nothing happens (`audit-unavailable`).
 */
@Injectable()
export class Audit {
  #instance: string | null = null;

  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Books what a transaction does in its organization. Written as its last act: the end of the chain is locked for the shortest time, and after all other locks. */
  record(tenant: Tenant, entry: NewEntry): void {
    // Whoever brings it here, and not who happens to commit: several may share a transaction.
    const cause = currentCause();
    tenant.beforeCommit(() => forCause(cause, () => this.append(tenant.db, tenant.organizationId, entry)));
  }

  /** Books in a transaction of the system's login. Call it last. Of several chains the instance's comes first, so that two cannot wait for each other. */
  async append(db: Transaction, chain: string, entry: NewEntry): Promise<void> {
    try {
      const head = await auditStore.lockHead(db, chain);
      const requestId = currentCause().requestId;
      await auditStore.add(db, nextEntry(head, entry, this.world.clock.now(), requestId));
    } catch (error) {
      // A database that does not answer says so itself, and what another transaction forced is tried again.
      if (isUnavailable(error) || isConflict(error)) throw error;
      this.log.error({ action: entry.action, reason: messageOf(error) }, 'the audit log cannot be written');
      throw new BerthError(
        'audit-unavailable',
        'The audit log cannot be written, so nothing was changed. Reading goes on. The log of Berth has the cause.',
        { cause: error, retryAfterSeconds: RETRY_SECONDS },
      );
    }
  }

  /** Books in the chain of the instance what happens in a transaction of the system's login. */
  async appendToInstance(db: Transaction, entry: NewEntry): Promise<void> {
    await this.append(db, await this.instanceChain(), entry);
  }

  /** Books something in a transaction of its own, whatever becomes of the one under way, in an organization's chain or (null) the instance's. */
  async appendAlone(organizationId: string | null, entry: NewEntry): Promise<void> {
    await this.database.apart(organizationId ?? (await this.instanceChain()), (tenant) => {
      this.record(tenant, entry);
      return Promise.resolve();
    });
  }

  /** The id under which the instance keeps its own chain. */
  async instanceChain(): Promise<string> {
    return (this.#instance ??= await this.system.instanceId());
  }

  async list(chain: string, query: AuditQuery): Promise<Page<AuditEntryView>> {
    const { limit, order } = query;
    const entries = await this.database.tenant(chain, (tenant) =>
      auditStore.page(
        tenant,
        {
          action: query.action ?? null,
          actorId: query.actor ?? null,
          subjectId: query.subject ?? null,
          since: query.since === undefined ? null : new Date(query.since),
          until: query.until === undefined ? null : new Date(query.until),
        },
        order,
        seqOf(query.cursor),
        limit + 1,
      ),
    );
    const items = entries.slice(0, limit);
    const last = items.at(-1);
    return { items, nextCursor: entries.length > limit && last ? String(last.seq) : null };
  }

  /** Reads the whole chain and says whether it holds. Entries that come meanwhile are left for the next time. */
  async verify(chain: string, { seq, hash }: AnchorQuery = {}): Promise<AuditVerdict> {
    const anchor = seq === undefined || hash === undefined ? null : { seq, hash };
    const verifier = new ChainVerifier(chain, anchor);
    const { head, last } = await this.database.tenant(chain, (tenant) => auditStore.end(tenant));
    for await (const entries of this.batches(chain, last)) {
      if (!entries.every((entry) => verifier.add(entry))) break;
    }
    return verifier.finish(head);
  }

  /** The chain as lines of canonical JSON, the head as the last. In pieces, for a reader at any pace. */
  async *export(chain: string): AsyncGenerator<string> {
    const { head, last } = await this.database.tenant(chain, (tenant) => auditStore.end(tenant));
    for await (const entries of this.batches(chain, last))
      yield entries.map((entry) => `${canonicalJson(entry)}\n`).join('');
    yield `${canonicalJson({ head: head ?? { chain, seq: 0, hash: GENESIS_HASH } })}\n`;
  }

  private async *batches(chain: string, last: number): AsyncGenerator<AuditEntryView[]> {
    for (let after: number | null = null; ;) {
      const from: number | null = after;
      const entries: AuditEntryView[] = await this.database.tenant(chain, (tenant) =>
        auditStore.range(tenant, from, last, BATCH),
      );
      const end = entries.at(-1);
      if (!end) return;
      yield entries;
      after = end.seq;
    }
  }
}

function seqOf(cursor: string | undefined): number | null {
  if (cursor === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(cursor))
    throw invalid([{ path: 'query.cursor', message: 'is not a cursor of this list' }]);
  return Number(cursor);
}
