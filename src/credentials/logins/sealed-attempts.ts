import { Injectable } from '@nestjs/common';
import { Database, SystemStore } from '../../database/index.js';
import { keysOf, ofOrganizations, SealedTables } from '../sealed-tables.js';
import type { SealedPlace } from '../vault.js';
import { attemptsStore } from './attempts.store.js';

export function attemptPlace(organizationId: string, rowId: string): SealedPlace {
  return { purpose: 'login-attempt', organizationId, rowId };
}

/** What proves an attempt to connect, as key rotation sees it. */
@Injectable()
export class SealedAttempts {
  constructor(database: Database, system: SystemStore, tables: SealedTables) {
    tables.add(
      ofOrganizations(database, {
        name: 'login attempts',
        ...keysOf(system.keys, 'loginAttempt'),
        sealed: (tenant, id) => attemptsStore.sealed(tenant, id),
        reseal: (tenant, id, before, after) => attemptsStore.reseal(tenant, id, before, after),
        place: attemptPlace,
      }),
    );
  }
}
