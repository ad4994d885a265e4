import { Injectable } from '@nestjs/common';
import { SystemStore, type SealedAddress } from '../../database/index.js';
import { SealedTables, type SealedTable } from '../sealed-tables.js';
import type { Sealed, SealedPlace } from '../vault.js';

/** It belongs to the instance. */
export function placeOfApp(rowId: string): SealedPlace {
  return { purpose: 'github-app', organizationId: 'instance', rowId };
}

/** The App at GitHub, as key rotation sees it. */
@Injectable()
export class SealedGithubApp implements SealedTable {
  readonly name = 'GitHub App';

  constructor(
    private readonly system: SystemStore,
    tables: SealedTables,
  ) {
    tables.add(this);
  }

  rowsByKey(): Promise<Map<string, number>> {
    return this.system.keys.rowsByKey('githubApp');
  }

  notUnder(keyId: string, after: string | null, take: number): Promise<SealedAddress[]> {
    return this.system.githubApp.notUnder(keyId, after, take);
  }

  async read({ id }: SealedAddress) {
    const row = await this.system.githubApp.find();
    return row?.id === id ? { sealed: row.sealed, place: placeOfApp(id) } : null;
  }

  replace({ id }: SealedAddress, before: string, { text, keyId }: Sealed): Promise<boolean> {
    return this.system.githubApp.reseal(id, before, text, keyId);
  }
}
