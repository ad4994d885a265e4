export { CredentialsApiModule, CredentialsModule } from './credentials.module.js';
export {
  CredentialPolicy,
  CredentialsService,
  noCredential,
  type ServedBy,
  type ServedMember,
} from './credentials.service.js';
export { checkKeyRing, sealingKeyToBook } from './key-ring.js';
export { Vault, type RingKey, type SealedPlace } from './vault.js';
