import { Injectable } from '@nestjs/common';
import type { SealedAddress } from '../database/index.js';
import type { Sealed, SealedPlace } from './vault.js';

/**
 * A table of sealed rows, as key rotation sees it. Each room that seals something adds its own, so that rotation finds the rows of rooms above it. A row is replaced only
 * if it is still as it was read: whoever changed it meanwhile has won.
 */
export interface SealedTable {
  /** For people: `credentials`. */
  readonly name: string;
  rowsByKey(): Promise<Map<string, number>>;
  /** Rows that are not under this key, in the order of their ids, after one. */
  notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]>;
  /** The sealed text and the place it was sealed for; null when the row is gone. */
  read(address: SealedAddress): Promise<{ sealed: string; place: SealedPlace } | null>;
  replace(address: SealedAddress, before: string, after: Sealed): Promise<boolean>;
}

/** All of them. */
@Injectable()
export class SealedTables {
  readonly #tables: SealedTable[] = [];

  get all(): readonly SealedTable[] {
    return this.#tables;
  }

  add(table: SealedTable): void {
    this.#tables.push(table);
  }
}
