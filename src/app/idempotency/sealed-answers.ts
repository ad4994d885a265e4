import { Injectable } from '@nestjs/common';
import { keysOf, ofInstance, ofOrganizations, SealedTables } from '../../credentials/index.js';
import { Database, SystemStore } from '../../database/index.js';
import { answersStore } from './answers.store.js';
import { placeOf } from './kept-answers.js';

/** Answers kept for retries, as key rotation sees them: those of organizations, and those of none. */
@Injectable()
export class SealedAnswers {
  constructor(database: Database, system: SystemStore, tables: SealedTables) {
    tables.add(
      ofOrganizations(database, {
        name: 'answers',
        ...keysOf(system.keys, 'idempotentAnswer'),
        sealed: (tenant, id) => answersStore.find(tenant, id),
        reseal: (tenant, id, before, after) => answersStore.reseal(tenant, id, before, after),
        place: (organizationId, id) => placeOf({ organizationId }, id),
      }),
    );
    tables.add(
      ofInstance({
        name: 'instance answers',
        rowsByKey: () => system.keys.rowsByKey('idempotentInstanceAnswer'),
        notUnder: (keyId, after, take) => system.keys.instanceAnswersNotUnder(keyId, after, take),
        sealed: (id) => system.keys.sealedInstanceAnswer(id),
        reseal: (id, before, sealed, keyId) => system.keys.resealInstanceAnswer(id, before, sealed, keyId),
        place: (id) => placeOf({ organizationId: null }, id),
      }),
    );
  }
}
