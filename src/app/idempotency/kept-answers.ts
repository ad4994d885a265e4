import { Injectable } from '@nestjs/common';
import { Vault, type SealedPlace } from '../../credentials/index.js';
import { Database, SystemStore, type KeptAnswerRow } from '../../database/index.js';
import { World } from '../../kernel/index.js';
import type { KeptAnswer } from './answer.js';
import { answersStore } from './answers.store.js';
import type { KeyScope } from './key.js';

const KEPT_MS = 24 * 3600 * 1000;

/** One transaction in which a request is carried out and its answer kept. Everything on it is for one key. */
export interface Shelf {
  /** False when another request with the key is under way, whichever process has it. */
  lock(): Promise<boolean>;
  find(): Promise<KeptAnswer | null>;
  keep(answer: KeptAnswer, forMs?: number): Promise<void>;
  forget(): Promise<void>;
  /** What fails in here is undone alone. */
  part<T>(work: () => Promise<T>): Promise<T>;
}

/** The rows of one scope, by whichever login may see them. */
interface Rows {
  lock(id: string): Promise<boolean>;
  find(id: string): Promise<KeptAnswerRow | null>;
  keep(row: KeptAnswerRow): Promise<void>;
  remove(id: string): Promise<void>;
}

/** Keeps answers, sealed, for 24 hours. */
@Injectable()
export class KeptAnswers {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly vault: Vault,
    private readonly world: World,
  ) {}

  /** Runs `work` in one transaction: what rooms write inside it is committed with the answer, or neither is. */
  within<T>(scope: KeyScope, id: string, work: (shelf: Shelf) => Promise<T>): Promise<T> {
    const { organizationId } = scope;
    if (organizationId === null)
      return this.system.atomic(() =>
        work(this.shelf(scope, id, this.ofInstance(), (part) => this.system.atomic(part))),
      );
    return this.database.tenant(organizationId, (tenant) => {
      const rows: Rows = {
        lock: (name) => answersStore.lock(tenant, name),
        find: (name) => answersStore.find(tenant, name),
        keep: (row) => answersStore.keep(tenant, row),
        remove: (name) => answersStore.remove(tenant, name),
      };
      return work(this.shelf(scope, id, rows, (part) => this.database.tenant(organizationId, part)));
    });
  }

  /** Removes what is over; answers how many. */
  deleteExpired(): Promise<number> {
    return this.system.deleteExpiredAnswers(this.world.clock.now());
  }

  private shelf(scope: KeyScope, id: string, rows: Rows, part: Shelf['part']): Shelf {
    const place = placeOf(scope, id);
    return {
      part,
      lock: () => rows.lock(id),
      find: async () => {
        const row = await rows.find(id);
        if (!row) return null;
        if (row.expiresAt > this.world.clock.now())
          return JSON.parse(await this.vault.open(row.sealed, place)) as KeptAnswer;
        await rows.remove(id);
        return null;
      },
      forget: () => rows.remove(id),
      keep: async (answer, forMs = KEPT_MS) => {
        const createdAt = this.world.clock.now();
        const { text: sealed, keyId } = await this.vault.seal(JSON.stringify(answer), place);
        await rows.keep({
          id,
          sealed,
          keyId,
          createdAt,
          expiresAt: new Date(createdAt.getTime() + forMs),
        });
      },
    };
  }

  private ofInstance(): Rows {
    return {
      lock: (id) => this.system.lockAnswer(id),
      find: (id) => this.system.findAnswer(id),
      keep: (row) => this.system.keepAnswer(row),
      remove: (id) => this.system.removeAnswer(id),
    };
  }
}

export function placeOf({ organizationId }: Pick<KeyScope, 'organizationId'>, rowId: string): SealedPlace {
  return { purpose: 'idempotent-answer', organizationId: organizationId ?? 'instance', rowId };
}
