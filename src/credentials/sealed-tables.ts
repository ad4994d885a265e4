import { Injectable } from '@nestjs/common';
import type { Database, KeysStore, SealedAddress, Tenant } from '../database/index.js';
import { BerthError } from '../kernel/index.js';
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

/** What a table of organizations' rows says of itself. `id` is a row's address within its organization. */
export interface TenantRows extends Pick<SealedTable, 'name' | 'rowsByKey' | 'notUnder'> {
  sealed(tenant: Tenant, id: string): Promise<{ sealed: string } | null>;
  reseal(tenant: Tenant, id: string, before: string, after: Sealed): Promise<boolean>;
  place(organizationId: string, id: string): SealedPlace;
}

/** A table whose rows are each of an organization: they are read and replaced in its name alone. */
export function ofOrganizations(database: Database, rows: TenantRows): SealedTable {
  return {
    name: rows.name,
    rowsByKey: () => rows.rowsByKey(),
    notUnder: (keyId, after, take) => rows.notUnder(keyId, after, take),
    read: async (address) => {
      const organizationId = organizationOf(address, rows.name);
      const row = await database.tenant(organizationId, (tenant) => rows.sealed(tenant, address.id));
      return row && { sealed: row.sealed, place: rows.place(organizationId, address.id) };
    },
    replace: (address, before, after) =>
      database.tenant(organizationOf(address, rows.name), (tenant) =>
        rows.reseal(tenant, address.id, before, after),
      ),
  };
}

/** What a table of the instance's own rows says of itself. */
export interface InstanceRows extends Pick<SealedTable, 'name' | 'rowsByKey' | 'notUnder'> {
  sealed(id: string): Promise<string | null>;
  reseal(id: string, before: string, sealed: string, keyId: string): Promise<boolean>;
  place(id: string): SealedPlace;
}

/** A table whose rows belong to the instance. */
export function ofInstance(rows: InstanceRows): SealedTable {
  return {
    name: rows.name,
    rowsByKey: () => rows.rowsByKey(),
    notUnder: (keyId, after, take) => rows.notUnder(keyId, after, take),
    read: async ({ id }) => {
      const sealed = await rows.sealed(id);
      return sealed === null ? null : { sealed, place: rows.place(id) };
    },
    replace: ({ id }, before, { text, keyId }) => rows.reseal(id, before, text, keyId),
  };
}

/** `rowsByKey` and `notUnder` of a table whose rows have ids of their own. */
export function keysOf(
  keys: KeysStore,
  table: Parameters<KeysStore['notUnder']>[0],
): Pick<SealedTable, 'rowsByKey' | 'notUnder'> {
  return {
    rowsByKey: () => keys.rowsByKey(table),
    notUnder: (keyId, after, take) => keys.notUnder(table, keyId, after, take),
  };
}

function organizationOf({ organizationId }: SealedAddress, name: string): string {
  if (organizationId === null)
    throw new BerthError('internal', `Each row of ${name} belongs to an organization.`);
  return organizationId;
}
