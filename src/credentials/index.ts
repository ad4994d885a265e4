export { AppTokens, type AppKind, type AppToken } from './app-tokens.js';
export { CredentialsApiModule, CredentialsModule, CredentialsWorkModule } from './credentials.module.js';
export { CredentialsService, type ServedBy } from './credentials.service.js';
export type { Admission, Admissions, Asked } from './booking.js';
export { CredentialPolicy, noCredential, noGitCredential } from './choosing.js';
export type { ServedAgent, ServedGit } from './served.js';
export { GithubApp, type GithubAppFacts, type MadeApp } from './github/github-app.service.js';
export { InstallationTokens } from './github/installation-tokens.js';
export { GithubUsers, type GithubSelf } from './github/user-tokens.js';
export { GithubInstallations } from './github/installations.service.js';
export type {
  InstallationFacts,
  InstallationRow,
  Reached,
  RepositoryFacts,
  RepositoryRef,
} from './github/installations.store.js';
export { saidBy, type GithubAppKeys, type GithubEndpoints } from './providers/github-app.js';
export { checkKeyRing, sealingKeyToBook } from './key-ring.js';
export { Vault, type RingKey, type Sealed, type SealedPlace } from './vault.js';
export { KeyRotation } from './key-rotation.service.js';
export { keysOf, ofInstance, ofOrganizations, SealedTables } from './sealed-tables.js';
export { LoginPolling } from './logins/login-polling.js';
export { Issuer } from './issuer/issuer.service.js';
export { FederationSettings } from './providers/federation.js';
export { LINEAR_SCOPES, type LinearEndpoints, type LinearGrant } from './providers/linear.js';
export { LoginEndpoints, ProviderLogins } from './providers/sources.js';
export { DueRenewals } from './renewal/due-renewals.js';
export { EndingLogins } from './renewal/ending-logins.js';
export {
  CredentialSubjects,
  type CredentialNotice,
  type GitPlace,
  type Subjects,
} from './renewal/subjects.js';
export type { CredentialReport } from './reports.js';
