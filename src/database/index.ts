export type { BehindConversation, DueConversation } from './conversations.store.js';
export {
  Database,
  isConflict,
  isUnavailable,
  isUniqueViolation,
  retiredKeyOf,
  type JsonObject,
} from './database.js';
export type {
  DeliveryTenant,
  NewDelivery,
  OpenDelivery,
  Standing,
  StoredDelivery,
} from './deliveries.store.js';
export { DatabaseModule } from './database.module.js';
export { HostLock, type Host, type HostLockOptions } from './host-lock.js';
export type { SeenHost } from './hosts.store.js';
export type { GithubAppRow } from './github-app.store.js';
export type { IssuerKeyRow, NewIssuerKey, PublicJwk } from './issuer-keys.store.js';
export type { KeysStore, SealedAddress } from './keys.store.js';
export type { EndingRow, RenewalCursor, RenewalRow } from './renewals.store.js';
export { inspectDatabase, inspectMigrations, type DatabaseFacts } from './inspect.js';
export { runningEmbeddedUrl, startEmbeddedPostgres } from './embedded/index.js';
export { assertRuntimeLogin } from './logins.js';
export { openDatabase, openServer, type DatabaseServer, type OpenDatabase } from './open-database.js';
export { SchemaWatch } from './schema-watch.js';
export { PooledClient } from './pooled-client.js';
export { readSealingKeys, type SealingKey } from './sealing-keys.js';
export * from './system.store.js';
export { tellThroughPostgres, type Tell } from './tell.js';
export { tryLock } from './try-lock.js';
export type { Tenant, Transaction } from './unit.js';
