import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/index.js';
import { World } from '../kernel/index.js';
import { AppTokens } from './app-tokens.js';
import { Booking } from './booking.js';
import { Choosing } from './choosing.js';
import { CredentialPlaces } from './credential-places.js';
import { CredentialsController } from './credentials.controller.js';
import { CredentialCare } from './care.service.js';
import { CredentialsService } from './credentials.service.js';
import { GithubAppController } from './github/github-app.controller.js';
import { GithubApp } from './github/github-app.service.js';
import { InstallationTokens } from './github/installation-tokens.js';
import { GithubInstallations } from './github/installations.service.js';
import { GithubUsers } from './github/user-tokens.js';
import { SealedGithubApp } from './github/sealed-github-app.js';
import { IssuerController } from './issuer/issuer.controller.js';
import { Issuer } from './issuer/issuer.service.js';
import { SealedIssuerKeys } from './issuer/sealed-issuer-keys.js';
import { KeyRotationJobs } from './key-rotation.jobs.js';
import { KeyRotation } from './key-rotation.service.js';
import { KeysController } from './keys.controller.js';
import { LoginJobs } from './logins/login.jobs.js';
import { LoginPolling } from './logins/login-polling.js';
import { LoginStoring } from './logins/login-storing.js';
import { LoginsController } from './logins/logins.controller.js';
import { LoginsService } from './logins/logins.service.js';
import { SealedAttempts } from './logins/sealed-attempts.js';
import { Leasing } from './leasing.js';
import { FederationSettings } from './providers/federation.js';
import { LoginEndpoints, ProviderLogins } from './providers/sources.js';
import { TokenSources } from './providers/token-source.js';
import { Claims } from './renewal/claims.js';
import { DueRenewals } from './renewal/due-renewals.js';
import { EndingLogins } from './renewal/ending-logins.js';
import { CredentialNotices } from './renewal/notices.js';
import { Rejections } from './renewal/rejections.js';
import { RenewalJobs } from './renewal/renewal.jobs.js';
import { Renewals } from './renewal/renewals.service.js';
import { Renewer } from './renewal/renewer.js';
import { Settlements } from './renewal/settlements.js';
import { CredentialSubjects } from './renewal/subjects.js';
import { CredentialReports } from './reports.js';
import { SealedCredentials } from './sealed-credentials.js';
import { SealedMintedTokens } from './sealed-minted-tokens.js';
import { SealedTables } from './sealed-tables.js';

/** One object for each provider, by whichever name it is asked for. */
const providers = [
  {
    provide: ProviderLogins,
    useFactory: (
      endpoints: LoginEndpoints,
      federation: FederationSettings,
      issuer: Issuer,
      { clock }: World,
    ) => new ProviderLogins(endpoints, federation, issuer, clock),
    inject: [LoginEndpoints, FederationSettings, Issuer, World],
  },
  { provide: TokenSources, useFactory: ({ sources }: ProviderLogins) => sources, inject: [ProviderLogins] },
];

/** `Vault`, `CredentialPolicy`, `LoginEndpoints` and `FederationSettings` come from the composition (src/app), which knows the configuration. */
@Module({
  imports: [IdentityModule],
  providers: [
    CredentialsService,
    AppTokens,
    Booking,
    Choosing,
    CredentialPlaces,
    LoginStoring,
    LoginPolling,
    SealedTables,
    SealedCredentials,
    SealedAttempts,
    CredentialCare,
    CredentialReports,
    CredentialSubjects,
    DueRenewals,
    EndingLogins,
    CredentialNotices,
    Leasing,
    Rejections,
    Renewals,
    SealedMintedTokens,
    SealedIssuerKeys,
    GithubApp,
    SealedGithubApp,
    GithubInstallations,
    GithubUsers,
    InstallationTokens,
    Issuer,
    KeyRotation,
    ...providers,
  ],
  exports: [
    CredentialsService,
    GithubApp,
    GithubInstallations,
    GithubUsers,
    InstallationTokens,
    AppTokens,
    CredentialPlaces,
    LoginPolling,
    LoginStoring,
    ProviderLogins,
    SealedTables,
    Issuer,
    KeyRotation,
    CredentialCare,
    CredentialSubjects,
    DueRenewals,
    EndingLogins,
    Rejections,
    Renewals,
    TokenSources,
  ],
})
export class CredentialsModule {}

/** What people may ask, in processes that serve the API. */
@Module({
  imports: [CredentialsModule],
  providers: [LoginsService],
  controllers: [
    CredentialsController,
    LoginsController,
    KeysController,
    IssuerController,
    GithubAppController,
  ],
})
export class CredentialsApiModule {}

/** What moves rows from key to key, renews tokens and asks how far logins are, in processes that work. */
@Module({
  imports: [CredentialsModule],
  providers: [KeyRotationJobs, LoginJobs, Claims, Settlements, Renewer, RenewalJobs],
})
export class CredentialsWorkModule {}
