import { Injectable } from '@nestjs/common';
import { Database, SystemStore } from '../database/index.js';
import { credentialsStore } from './credentials.store.js';
import { keysOf, ofOrganizations, SealedTables } from './sealed-tables.js';

/** Credentials, as key rotation sees them. */
@Injectable()
export class SealedCredentials {
  constructor(database: Database, system: SystemStore, tables: SealedTables) {
    tables.add(
      ofOrganizations(database, {
        name: 'credentials',
        ...keysOf(system.keys, 'credential'),
        sealed: (tenant, id) => credentialsStore.sealed(tenant, id),
        reseal: (tenant, id, before, after) => credentialsStore.reseal(tenant, id, before, after),
        place: (organizationId, rowId) => ({ purpose: 'credential', organizationId, rowId }),
      }),
    );
  }
}
