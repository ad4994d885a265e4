import { Injectable } from '@nestjs/common';
import { SystemStore } from '../../database/index.js';
import { ofInstance, SealedTables } from '../sealed-tables.js';
import type { SealedPlace } from '../vault.js';

/** It belongs to the instance. */
export function placeOfApp(rowId: string): SealedPlace {
  return { purpose: 'github-app', organizationId: 'instance', rowId };
}

/** The App at GitHub, as key rotation sees it. */
@Injectable()
export class SealedGithubApp {
  constructor({ keys, githubApp }: SystemStore, tables: SealedTables) {
    tables.add(
      ofInstance({
        name: 'GitHub App',
        rowsByKey: () => keys.rowsByKey('githubApp'),
        notUnder: (keyId, after, take) => githubApp.notUnder(keyId, after, take),
        sealed: async (id) => {
          const row = await githubApp.find();
          return row?.id === id ? row.sealed : null;
        },
        reseal: (id, before, sealed, keyId) => githubApp.reseal(id, before, sealed, keyId),
        place: placeOfApp,
      }),
    );
  }
}
