import { Injectable } from '@nestjs/common';
import { SealedTables, type Sealed, type SealedTable } from '../../credentials/index.js';
import { Database, SystemStore, type SealedAddress } from '../../database/index.js';
import { answersStore } from './answers.store.js';
import { placeOf } from './kept-answers.js';

/** Answers kept for retries, as key rotation sees them: those of organizations, and those of none. */
@Injectable()
export class SealedAnswers {
  constructor(database: Database, system: SystemStore, tables: SealedTables) {
    tables.add(ofOrganizations(database, system));
    tables.add(ofInstance(system));
  }
}

function ofOrganizations(database: Database, system: SystemStore): SealedTable {
  const within = <T>(
    { organizationId }: SealedAddress,
    work: Parameters<typeof database.tenant<T>>[1],
  ): Promise<T> => database.tenant(organizationId ?? '', work);
  return {
    name: 'answers',
    rowsByKey: () => system.keys.rowsByKey('idempotentAnswer'),
    notUnder: (keyId, after, take) => system.keys.notUnder('idempotentAnswer', keyId, after, take),
    read: async (address) => {
      const row = await within(address, (tenant) => answersStore.find(tenant, address.id));
      return row && { sealed: row.sealed, place: placeOf(address, address.id) };
    },
    replace: (address, before, after: Sealed) =>
      within(address, (tenant) => answersStore.reseal(tenant, address.id, before, after)),
  };
}

function ofInstance(system: SystemStore): SealedTable {
  return {
    name: 'instance answers',
    rowsByKey: () => system.keys.rowsByKey('idempotentInstanceAnswer'),
    notUnder: (keyId, after, take) => system.keys.instanceAnswersNotUnder(keyId, after, take),
    read: async (address) => {
      const sealed = await system.keys.sealedInstanceAnswer(address.id);
      return sealed === null ? null : { sealed, place: placeOf(address, address.id) };
    },
    replace: ({ id }, before, { text, keyId }) => system.keys.resealInstanceAnswer(id, before, text, keyId),
  };
}
