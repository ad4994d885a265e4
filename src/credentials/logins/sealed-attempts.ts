import { Injectable } from '@nestjs/common';
import { Database, SystemStore, type SealedAddress } from '../../database/index.js';
import { SealedTables, type SealedTable } from '../sealed-tables.js';
import type { Sealed, SealedPlace } from '../vault.js';
import { attemptsStore } from './attempts.store.js';

export function attemptPlace(organizationId: string, rowId: string): SealedPlace {
  return { purpose: 'login-attempt', organizationId, rowId };
}

/** What proves attempts to connect, as key rotation sees it. */
@Injectable()
export class SealedAttempts implements SealedTable {
  readonly name = 'login attempts';

  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    tables: SealedTables,
  ) {
    tables.add(this);
  }

  rowsByKey(): Promise<Map<string, number>> {
    return this.system.keys.rowsByKey('loginAttempt');
  }

  notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    return this.system.keys.notUnder('loginAttempt', keyId, after, take);
  }

  async read({ id, organizationId }: SealedAddress) {
    const row = await this.database.tenant(organizationId ?? '', (tenant) =>
      attemptsStore.sealed(tenant, id),
    );
    return row && { sealed: row.sealed, place: attemptPlace(organizationId ?? '', id) };
  }

  replace({ id, organizationId }: SealedAddress, before: string, after: Sealed): Promise<boolean> {
    return this.database.tenant(organizationId ?? '', (tenant) =>
      attemptsStore.reseal(tenant, id, before, after),
    );
  }
}
