import { Injectable } from '@nestjs/common';
import { Database, SystemStore, type SealedAddress } from '../database/index.js';
import { BerthError } from '../kernel/index.js';
import { credentialsStore } from './credentials.store.js';
import { SealedTables, type SealedTable } from './sealed-tables.js';
import type { Sealed } from './vault.js';

/** Credentials, as key rotation sees them. */
@Injectable()
export class SealedCredentials implements SealedTable {
  readonly name = 'credentials';

  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    tables: SealedTables,
  ) {
    tables.add(this);
  }

  rowsByKey(): Promise<Map<string, number>> {
    return this.system.keys.rowsByKey('credential');
  }

  notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    return this.system.keys.notUnder('credential', keyId, after, take);
  }

  async read(address: SealedAddress) {
    const { organizationId, id } = ofOrganization(address);
    const row = await this.database.tenant(organizationId, (tenant) => credentialsStore.sealed(tenant, id));
    return (
      row && { sealed: row.sealed, place: { purpose: 'credential' as const, organizationId, rowId: id } }
    );
  }

  replace(address: SealedAddress, before: string, after: Sealed): Promise<boolean> {
    const { organizationId, id } = ofOrganization(address);
    return this.database.tenant(organizationId, (tenant) =>
      credentialsStore.reseal(tenant, id, before, after),
    );
  }
}

function ofOrganization({ id, organizationId }: SealedAddress): { id: string; organizationId: string } {
  if (organizationId === null) throw new BerthError('internal', 'A credential belongs to an organization.');
  return { id, organizationId };
}
