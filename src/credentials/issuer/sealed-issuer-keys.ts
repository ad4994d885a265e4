import { Injectable } from '@nestjs/common';
import { SystemStore } from '../../database/index.js';
import { ofInstance, SealedTables } from '../sealed-tables.js';
import type { SealedPlace } from '../vault.js';

/** They belong to the instance. */
export function placeOfKey(rowId: string): SealedPlace {
  return { purpose: 'issuer-key', organizationId: 'instance', rowId };
}

/** Berth's keys as an issuer, as key rotation sees them. */
@Injectable()
export class SealedIssuerKeys {
  constructor({ keys, issuerKeys }: SystemStore, tables: SealedTables) {
    tables.add(
      ofInstance({
        name: 'issuer keys',
        rowsByKey: () => keys.rowsByKey('issuerKey'),
        notUnder: (keyId, after, take) => issuerKeys.notUnder(keyId, after, take),
        sealed: (id) => issuerKeys.sealed(id),
        reseal: (id, before, sealed, keyId) => issuerKeys.reseal(id, before, sealed, keyId),
        place: placeOfKey,
      }),
    );
  }
}
