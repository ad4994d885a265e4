export { CredentialsApiModule, CredentialsModule, CredentialsWorkModule } from './credentials.module.js';
export {
  CredentialPolicy,
  CredentialsService,
  noCredential,
  type ServedBy,
  type ServedMember,
} from './credentials.service.js';
export { checkKeyRing, sealingKeyToBook } from './key-ring.js';
export { Vault, type RingKey, type Sealed, type SealedPlace } from './vault.js';
export { KeyRotation } from './key-rotation.service.js';
export { SealedTables, type SealedTable } from './sealed-tables.js';
export { LoginPolling } from './logins/login-polling.js';
export { LoginEndpoints } from './providers/sources.js';
