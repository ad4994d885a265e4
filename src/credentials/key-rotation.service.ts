import { Inject, Injectable } from '@nestjs/common';
import { Audit, systemActor } from '../audit/index.js';
import type { KeysView } from '../contracts/index.js';
import { SystemStore, type SealedAddress } from '../database/index.js';
import { auditedPerson, type Person } from '../identity/index.js';
import { BerthError, LOG, messageOf, World, type Log } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { adviceOf } from './key-advice.js';
import { SealedTables, type SealedTable } from './sealed-tables.js';
import { Vault } from './vault.js';

const PAGE = 100;
/** Rows at once: a few of the pool's connections, so that requests go on beside it. */
const AT_ONCE = 4;

/**
 * Moves everything that is sealed to the first key of the ring, online. What is left to do are the rows that are under another key: there is no other state, so a
 * worker that dies takes nothing along, and several at once do no harm.
 */
@Injectable()
export class KeyRotation {
  constructor(
    private readonly system: SystemStore,
    private readonly vault: Vault,
    private readonly tables: SealedTables,
    private readonly queue: JobQueue,
    private readonly audit: Audit,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Begins a rotation to the key with which this process seals; one to it that runs already goes on. */
  async begin(person: Person): Promise<KeysView> {
    const target = this.vault.sealingKeyId;
    const rotation = { id: this.world.ids.next(), targetKeyId: target, startedAt: this.world.clock.now() };
    await this.system.atomic(async (unit) => {
      await this.system.keys.begin(rotation, (db) =>
        this.audit.appendToInstance(db, {
          action: 'keys.rotation-started',
          actor: auditedPerson(person),
          subject: { type: 'encryption-key', id: target, name: null },
        }),
      );
      // Not before: a worker that comes at once would find nothing to do.
      unit.afterCommit(() => this.wake());
    });
    return this.show();
  }

  async show(): Promise<KeysView> {
    const [booked, rotation, rows] = await Promise.all([
      this.system.keys.booked(),
      this.system.keys.lastRotation(),
      Promise.all(this.tables.all.map(async (table) => ({ table, keys: await table.rowsByKey() }))),
    ]);
    const used = rows.flatMap(({ keys }) => [...keys.keys()]);
    const ids = [...new Set([...this.vault.keyIds, ...booked.map(({ id }) => id), ...used])];
    const facts = {
      sealingKey: this.vault.sealingKeyId,
      keys: ids.map((id) => {
        const key = booked.find((candidate) => candidate.id === id);
        return {
          id,
          inRing: this.vault.has(id),
          createdAt: key?.createdAt.toISOString() ?? null,
          retiredAt: key?.retiredAt?.toISOString() ?? null,
          rows: Object.fromEntries(rows.map(({ table, keys }) => [table.name, keys.get(id) ?? 0])),
        };
      }),
      rotation: rotation && {
        target: rotation.targetKeyId,
        state: rotation.state as 'running' | 'finished' | 'superseded',
        startedAt: rotation.startedAt.toISOString(),
        finishedAt: rotation.finishedAt?.toISOString() ?? null,
      },
    };
    return { ...facts, advice: adviceOf(facts) };
  }

  /** Has a worker go on with a rotation that is under way; asked at each sweep, so that a lost job costs time and nothing else. */
  async resume(): Promise<void> {
    const rotation = await this.system.keys.lastRotation();
    if (rotation?.state === 'running') await this.queue.add('keys.reseal', {});
  }

  /** One pass over all rows. What it could not do (a row that does not open, rows that others sealed meanwhile) is left for the next. */
  async work(signal: AbortSignal): Promise<void> {
    const rotation = await this.system.keys.lastRotation();
    if (rotation?.state !== 'running') return;
    const { targetKeyId } = rotation;
    if (!this.vault.has(targetKeyId))
      throw new BerthError(
        'encryption-key-missing',
        `A rotation to the encryption key ${targetKeyId} is under way, which this worker has not got. Give all replicas the same BERTH_ENCRYPTION_KEYS.`,
      );
    for (const table of this.tables.all) await this.resealAll(table, targetKeyId, signal);
    const retired = await this.system.keys.finish(rotation, this.world.clock.now(), (db, keys) =>
      this.audit.appendToInstance(db, {
        action: 'keys.rotation-finished',
        actor: systemActor('key rotation'),
        subject: { type: 'encryption-key', id: targetKeyId, name: null },
        details: { retired: keys },
      }),
    );
    if (retired) this.log.info({ key: targetKeyId, retired }, 'all is sealed with the new encryption key');
  }

  private async resealAll(table: SealedTable, keyId: string, signal: AbortSignal): Promise<void> {
    for (let after: string | null = null; ;) {
      // What was done is done; the next attempt goes on from there.
      signal.throwIfAborted();
      const page: SealedAddress[] = await table.notUnder(keyId, after, PAGE);
      for (let at = 0; at < page.length; at += AT_ONCE)
        await Promise.all(page.slice(at, at + AT_ONCE).map((address) => this.reseal(table, address, keyId)));
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      after = last.id;
    }
  }

  private async reseal(table: SealedTable, address: SealedAddress, keyId: string): Promise<void> {
    const row = await table.read(address);
    if (!row) return;
    try {
      const opened = await this.vault.open(row.sealed, row.place);
      await table.replace(address, row.sealed, await this.vault.seal(opened, row.place, keyId));
    } catch (error) {
      // One that does not open must not keep the others; it keeps the rotation from ending, and so its key from being retired.
      if (!(error instanceof BerthError)) throw error;
      this.log.error(
        { table: table.name, id: address.id, reason: messageOf(error) },
        'a sealed row could not be sealed anew',
      );
    }
  }

  private async wake(): Promise<void> {
    try {
      await this.queue.add('keys.reseal', {});
    } catch (error) {
      // It is written; whoever asked must not hear that it failed.
      this.log.warn(
        { reason: messageOf(error) },
        'no worker could be woken; the sweep will find the rotation',
      );
    }
  }
}
