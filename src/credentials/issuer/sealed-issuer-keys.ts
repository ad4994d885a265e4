import { Injectable } from '@nestjs/common';
import { SystemStore, type SealedAddress } from '../../database/index.js';
import { SealedTables, type SealedTable } from '../sealed-tables.js';
import type { Sealed, SealedPlace } from '../vault.js';

/** They belong to the instance. */
export function placeOfKey(rowId: string): SealedPlace {
  return { purpose: 'issuer-key', organizationId: 'instance', rowId };
}

/** Berth's keys as an issuer, as key rotation sees them. */
@Injectable()
export class SealedIssuerKeys implements SealedTable {
  readonly name = 'issuer keys';

  constructor(
    private readonly system: SystemStore,
    tables: SealedTables,
  ) {
    tables.add(this);
  }

  rowsByKey(): Promise<Map<string, number>> {
    return this.system.keys.rowsByKey('issuerKey');
  }

  notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    return this.system.issuerKeys.notUnder(keyId, after, take);
  }

  async read({ id }: SealedAddress) {
    const sealed = await this.system.issuerKeys.sealed(id);
    return sealed === null ? null : { sealed, place: placeOfKey(id) };
  }

  replace({ id }: SealedAddress, before: string, { text, keyId }: Sealed): Promise<boolean> {
    return this.system.issuerKeys.reseal(id, before, text, keyId);
  }
}
