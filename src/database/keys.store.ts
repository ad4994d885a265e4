import type { Transaction } from './unit.js';

/** A key this database was ever sealed with. */
export interface BookedKey {
  id: string;
  createdAt: Date;
  /** Since when no row is under it, and none may be: a start without it is fine. */
  retiredAt: Date | null;
}

export interface KeyRotationRow {
  id: string;
  targetKeyId: string;
  state: string;
  startedAt: Date;
  finishedAt: Date | null;
}

/** Where a sealed row stands. `organizationId` is null for what belongs to the instance. */
export interface SealedAddress {
  id: string;
  organizationId: string | null;
}

/** How many rows are under a key. */
interface KeyCount {
  keyId: string;
  _count: { _all: number };
}

/** Which of the tables with sealed rows. */
export type SealedTableName =
  | 'credential'
  | 'loginAttempt'
  | 'connectionAttempt'
  | 'mintedToken'
  | 'idempotentAnswer'
  | 'idempotentInstanceAnswer'
  | 'issuerKey'
  | 'githubApp';

type Write = <T>(
  work: (db: Transaction, last: (inside: (db: Transaction) => Promise<void>) => void) => Promise<T>,
) => Promise<T>;

/** Keys of the ring as the database knows them: booked, in use, retired; and the move of all rows from one to another. It reads no sealed text of an organization. */
export class KeysStore {
  readonly #current: () => Transaction;
  readonly #write: Write;

  /** `current` is the transaction under way, so that who has just begun a rotation sees it; outside of any the client itself. */
  constructor(current: () => Transaction, write: Write) {
    this.#current = current;
    this.#write = write;
  }

  /** Books a key that seals. One that was retired is in use again, by the proof of the key that has its name now. */
  async book({ id, proof, createdAt }: { id: string; proof: string; createdAt: Date }): Promise<void> {
    await this.#write(
      (db) => db.$executeRaw`
        insert into sealing_key (id, proof, created_at) values (${id}, ${proof}, ${createdAt})
        on conflict (id) do update set proof = excluded.proof, created_at = excluded.created_at, retired_at = null
         where sealing_key.retired_at is not null`,
    );
  }

  booked(): Promise<BookedKey[]> {
    return this.#current().sealingKey.findMany({
      select: { id: true, createdAt: true, retiredAt: true },
      orderBy: { createdAt: 'asc' },
    });
  }

  /** How many rows of a table are under each key. */
  async rowsByKey(table: SealedTableName): Promise<Map<string, number>> {
    const groups = await this.#groups(table);
    return new Map(groups.map(({ keyId, _count }) => [keyId, _count._all]));
  }

  /** Rows of a table that are not under this key, in the order of their ids. */
  notUnder(
    table: Exclude<SealedTableName, 'mintedToken' | 'idempotentInstanceAnswer' | 'issuerKey' | 'githubApp'>,
    keyId: string,
    after: string | null,
    take: number,
  ): Promise<SealedAddress[]> {
    const where = { keyId: { not: keyId }, ...(after === null ? {} : { id: { gt: after } }) };
    const select = { id: true, organizationId: true } as const;
    const orderBy = { id: 'asc' } as const;
    if (table === 'loginAttempt')
      return this.#current().loginAttempt.findMany({ where, select, orderBy, take });
    if (table === 'connectionAttempt')
      return this.#current().connectionAttempt.findMany({ where, select, orderBy, take });
    return table === 'credential'
      ? this.#current().credential.findMany({ where, select, orderBy, take })
      : this.#current().idempotentAnswer.findMany({ where, select, orderBy, take });
  }

  /** Tokens that workspaces have of their own. Their ids are those of credential and workspace, with a slash between. */
  mintedTokensNotUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    return this.#current().$queryRaw<SealedAddress[]>`
      select credential_id || '/' || workspace_id as id, organization_id as "organizationId" from minted_token
       where key_id <> ${keyId} and credential_id || '/' || workspace_id > ${after ?? ''}
       order by 1 limit ${take}`;
  }

  async instanceAnswersNotUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    const rows = await this.#current().idempotentInstanceAnswer.findMany({
      where: { keyId: { not: keyId }, ...(after === null ? {} : { id: { gt: after } }) },
      select: { id: true },
      orderBy: { id: 'asc' },
      take,
    });
    return rows.map(({ id }) => ({ id, organizationId: null }));
  }

  async sealedInstanceAnswer(id: string): Promise<string | null> {
    const row = await this.#current().idempotentInstanceAnswer.findUnique({ where: { id } });
    return row?.sealed ?? null;
  }

  /** False when it is another text by now. */
  async resealInstanceAnswer(id: string, before: string, sealed: string, keyId: string): Promise<boolean> {
    const { count } = await this.#current().idempotentInstanceAnswer.updateMany({
      where: { id, sealed: before },
      data: { sealed, keyId },
    });
    return count > 0;
  }

  /** The last rotation that was asked for, whatever became of it. */
  lastRotation(): Promise<KeyRotationRow | null> {
    return this.#current().keyRotation.findFirst({ orderBy: [{ startedAt: 'desc' }, { id: 'desc' }] });
  }

  /** Begins one. One that runs to the same key goes on as it is; one to another key ends, since only one can come true. */
  async begin(
    rotation: { id: string; targetKeyId: string; startedAt: Date },
    inside: (db: Transaction) => Promise<void>,
  ): Promise<void> {
    await this.#write(async (db, last) => {
      await db.$executeRaw`select pg_advisory_xact_lock(hashtextextended('berth.key-rotation', 0))`;
      const { id, targetKeyId, startedAt } = rotation;
      await db.keyRotation.updateMany({
        where: { state: 'running', targetKeyId: { not: targetKeyId } },
        data: { state: 'superseded', finishedAt: startedAt },
      });
      if ((await db.keyRotation.count({ where: { state: 'running' } })) === 0)
        await db.keyRotation.create({ data: { id, targetKeyId, startedAt, state: 'running' } });
      last(inside);
    });
  }

  /**
   * Ends a rotation when really no row is under another key, and retires the keys that were in use before it. The keys' rows are locked first: who seals waits for it or is waited
   * for, so that no row comes between the count and the retirement. Null when there are rows left, or it is over already.
   */
  async finish(
    { id, targetKeyId, startedAt }: KeyRotationRow,
    at: Date,
    inside: (db: Transaction, retired: string[]) => Promise<void>,
  ): Promise<string[] | null> {
    return this.#write(async (db, last) => {
      await db.$executeRaw`select 1 from sealing_key order by id for update`;
      const names: SealedTableName[] = [
        'credential',
        'loginAttempt',
        'connectionAttempt',
        'mintedToken',
        'idempotentAnswer',
        'idempotentInstanceAnswer',
        'issuerKey',
        'githubApp',
      ];
      for (const name of names) {
        const keys = (await this.#groups(name, db)).map(({ keyId }) => keyId);
        if (keys.some((keyId) => keyId !== targetKeyId)) return null;
      }
      const ended = await db.keyRotation.updateMany({
        where: { id, state: 'running' },
        data: { state: 'finished', finishedAt: at },
      });
      if (ended.count === 0) return null;
      const former = { id: { not: targetKeyId }, retiredAt: null, createdAt: { lte: startedAt } };
      const retired = (await db.sealingKey.findMany({ where: former, select: { id: true } })).map(
        (key) => key.id,
      );
      await db.sealingKey.updateMany({ where: { id: { in: retired } }, data: { retiredAt: at } });
      last((inner) => inside(inner, retired));
      return retired;
    });
  }

  async #groups(table: SealedTableName, db: Transaction = this.#current()): Promise<KeyCount[]> {
    const by = { by: ['keyId' as const], _count: { _all: true as const } };
    if (table === 'mintedToken') {
      const groups = await db.mintedToken.groupBy(by);
      // One that was never minted is under no key.
      return groups.flatMap(({ keyId, _count }) => (keyId === null ? [] : [{ keyId, _count }]));
    }
    if (table === 'credential') {
      const groups = await db.credential.groupBy(by);
      return groups;
    }
    if (table === 'loginAttempt') {
      const groups = await db.loginAttempt.groupBy(by);
      return groups;
    }
    if (table === 'connectionAttempt') {
      const groups = await db.connectionAttempt.groupBy(by);
      return groups;
    }
    if (table === 'idempotentAnswer') {
      const groups = await db.idempotentAnswer.groupBy(by);
      return groups;
    }
    if (table === 'issuerKey') {
      const groups = await db.issuerKey.groupBy(by);
      return groups;
    }
    if (table === 'githubApp') {
      const groups = await db.githubApp.groupBy(by);
      return groups;
    }
    const groups = await db.idempotentInstanceAnswer.groupBy(by);
    return groups;
  }
}
