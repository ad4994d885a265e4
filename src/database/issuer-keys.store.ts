import type { Prisma } from './generated/client.js';
import type { SealedAddress } from './keys.store.js';
import type { Transaction } from './unit.js';

/** The public part of an ES256 key, as it is published (RFC 7517). */
export interface PublicJwk {
  kty: string;
  crv: string;
  x: string;
  y: string;
  kid: string;
  alg: string;
  use: string;
}

/** A key with which Berth signs, without its private part. */
export interface IssuerKeyRow {
  id: string;
  ordinal: number;
  publicJwk: PublicJwk;
  createdAt: Date;
  /** From then on it signs, until the next one does. */
  signsFrom: Date;
}

export interface NewIssuerKey extends IssuerKeyRow {
  sealed: string;
  keyId: string;
}

type Inside = (db: Transaction) => Promise<void>;
type Write = <T>(work: (db: Transaction, last: (inside: Inside) => void) => Promise<T>) => Promise<T>;

const columns = { id: true, ordinal: true, publicJwk: true, createdAt: true, signsFrom: true } as const;

/** The keys of Berth as an issuer. They belong to the instance: each process signs with the same ones. */
export class IssuerKeysStore {
  readonly #current: () => Transaction;
  readonly #write: Write;

  constructor(current: () => Transaction, write: Write) {
    this.#current = current;
    this.#write = write;
  }

  /** The oldest first. */
  async list(): Promise<IssuerKeyRow[]> {
    const rows = await this.#current().issuerKey.findMany({ select: columns, orderBy: { ordinal: 'asc' } });
    return rows.map((row) => ({ ...row, publicJwk: row.publicJwk as unknown as PublicJwk }));
  }

  /** False when another process has made the key of this number meanwhile. */
  async add(key: NewIssuerKey, inside?: Inside): Promise<boolean> {
    return this.#write(async (db, last) => {
      const data = { ...key, publicJwk: { ...key.publicJwk } satisfies Prisma.InputJsonObject };
      const { count } = await db.issuerKey.createMany({ data, skipDuplicates: true });
      if (count > 0 && inside) last(inside);
      return count > 0;
    });
  }

  /** Removes keys for good; what they signed is over. */
  async remove(ids: string[]): Promise<void> {
    await this.#write((db) => db.issuerKey.deleteMany({ where: { id: { in: ids } } }));
  }

  /** Null when it is gone. */
  async sealed(id: string): Promise<string | null> {
    const row = await this.#current().issuerKey.findUnique({ where: { id }, select: { sealed: true } });
    return row?.sealed ?? null;
  }

  async notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    const rows = await this.#current().issuerKey.findMany({
      where: { keyId: { not: keyId }, ...(after === null ? {} : { id: { gt: after } }) },
      select: { id: true },
      orderBy: { id: 'asc' },
      take,
    });
    return rows.map(({ id }) => ({ id, organizationId: null }));
  }

  /** False when it is another text by now. */
  async reseal(id: string, before: string, sealed: string, keyId: string): Promise<boolean> {
    const { count } = await this.#current().issuerKey.updateMany({
      where: { id, sealed: before },
      data: { sealed, keyId },
    });
    return count > 0;
  }
}
