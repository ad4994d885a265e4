import type { SealedAddress } from './keys.store.js';
import type { Transaction } from './unit.js';

/** The GitHub App of this Berth, without its secrets. */
export interface GithubAppRow {
  id: string;
  appId: string;
  slug: string;
  clientId: string;
}

export interface NewGithubApp extends GithubAppRow {
  sealed: string;
  keyId: string;
  createdAt: Date;
}

type Inside = (db: Transaction) => Promise<void>;
type Write = <T>(work: (db: Transaction, last: (inside: Inside) => void) => Promise<T>) => Promise<T>;

/** The App as which this Berth is known to GitHub. It belongs to the instance: there is one row, or none. */
export class GithubAppStore {
  readonly #current: () => Transaction;
  readonly #write: Write;

  constructor(current: () => Transaction, write: Write) {
    this.#current = current;
    this.#write = write;
  }

  /** With its sealed text, read together. */
  async find(): Promise<(GithubAppRow & { sealed: string }) | null> {
    const select = { id: true, appId: true, slug: true, clientId: true, sealed: true } as const;
    return this.#current().githubApp.findFirst({ select });
  }

  /** False when there is one by now: of two that were made at once the first stays. */
  async add(app: NewGithubApp, inside: Inside): Promise<boolean> {
    return this.#write(async (db, last) => {
      const { count } = await db.githubApp.createMany({ data: app, skipDuplicates: true });
      if (count > 0) last(inside);
      return count > 0;
    });
  }

  /** Other secrets in place of these. False when they are others by now. */
  async replace(
    id: string,
    before: string,
    after: { sealed: string; keyId: string },
    inside: Inside,
  ): Promise<boolean> {
    return this.#write(async (db, last) => {
      const { count } = await db.githubApp.updateMany({ where: { id, sealed: before }, data: after });
      if (count > 0) last(inside);
      return count > 0;
    });
  }

  async notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    const rows = await this.#current().githubApp.findMany({
      where: { keyId: { not: keyId }, ...(after === null ? {} : { id: { gt: after } }) },
      select: { id: true },
      orderBy: { id: 'asc' },
      take,
    });
    return rows.map(({ id }) => ({ id, organizationId: null }));
  }

  /** False when it is another text by now. */
  async reseal(id: string, before: string, sealed: string, keyId: string): Promise<boolean> {
    const { count } = await this.#current().githubApp.updateMany({
      where: { id, sealed: before },
      data: { sealed, keyId },
    });
    return count > 0;
  }
}
