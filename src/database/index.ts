export { Database, isUnavailable, isUniqueViolation, type JsonObject } from './database.js';
export { DatabaseModule } from './database.module.js';
export { openDatabase, openServer, type DatabaseServer, type OpenDatabase } from './open-database.js';
export { readSealingKeys, type SealingKey } from './sealing-keys.js';
export * from './system.store.js';
export { tellThroughPostgres, type Tell } from './tell.js';
export type { Tenant } from './unit.js';
