import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { AuditModule } from '../audit/index.js';
import { ChatsApiModule, ChatsModule } from '../chats/index.js';
import {
  CredentialPolicy,
  CredentialsApiModule,
  CredentialsModule,
  CredentialsWorkModule,
  FederationSettings,
  LoginEndpoints,
  Vault,
} from '../credentials/index.js';
import { DatabaseModule, type Database, type SystemStore } from '../database/index.js';
import { WorkspaceFeed } from '../events/index.js';
import { IdentityApiModule, IdentityModule, SetupToken } from '../identity/index.js';
import { IntegrationsApiModule, IntegrationsModule } from '../integrations/index.js';
import { LOG, METRICS, TRACER, World, type Log, type Tracer } from '../kernel/index.js';
import { QueueModule, QueueWorkModule, type QueueBackend } from '../queue/index.js';
import { RunnerGatewayModule } from '../runner-gateway/index.js';
import type { Runtime } from '../runtime/index.js';
import { PrometheusMetrics } from '../telemetry/index.js';
import { TriggersApiModule, TriggersModule, TriggersWorkModule } from '../triggers/index.js';
import { PriceList, UsageModule } from '../usage/index.js';
import {
  RUNTIME,
  WorkspacesApiModule,
  WorkspacesModule,
  WorkspacesWorkModule,
  WorkspaceSettings,
} from '../workspaces/index.js';
import { AuditController } from './audit/audit.controller.js';
import { RefusedAttempts } from './audit/refused-attempts.js';
import { Authenticator } from './auth/authenticator.js';
import { RouteGuard } from './auth/route.guard.js';
import { SessionController } from './auth/session.controller.js';
import { HealthController } from './health.controller.js';
import { Expiry } from './idempotency/expiry.js';
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js';
import { KeyScopes } from './idempotency/key-scopes.js';
import { KeptAnswers } from './idempotency/kept-answers.js';
import { SealedAnswers } from './idempotency/sealed-answers.js';
import { InstanceController } from './instance.controller.js';
import { MetricsController } from './metrics.controller.js';
import { PublicUrl } from '../http/index.js';
import { RequestLimits } from './limits/request-limits.js';
import { Readiness } from './readiness.js';

/** What the rooms are given in every process: opened and closed by who composes (compose.ts). */
export interface CommonParts {
  log: Log;
  metrics: PrometheusMetrics;
  tracer: Tracer;
  world: World;
  database: Database;
  system: SystemStore;
  queue: QueueBackend;
  feed: WorkspaceFeed;
  vault: Vault;
  setupToken: SetupToken;
  credentialPolicy: CredentialPolicy;
  loginEndpoints: LoginEndpoints;
  federation: FederationSettings;
  workspaceSettings: WorkspaceSettings;
  publicUrl: PublicUrl;
  prices: PriceList;
  requestLimits: RequestLimits;
  readiness: Readiness;
}

/** What a process needs besides to do the work. */
export interface WorkParts {
  runtime: Runtime;
}

/** All of it, in one process. */
export type Parts = CommonParts & WorkParts;

/** The parts, for every room by type. */
@Module({})
class PartsModule {
  static with(parts: CommonParts & Partial<WorkParts>): DynamicModule {
    const providers = [
      { provide: LOG, useValue: parts.log },
      { provide: PrometheusMetrics, useValue: parts.metrics },
      { provide: METRICS, useExisting: PrometheusMetrics },
      { provide: TRACER, useValue: parts.tracer },
      { provide: World, useValue: parts.world },
      { provide: Vault, useValue: parts.vault },
      { provide: SetupToken, useValue: parts.setupToken },
      { provide: CredentialPolicy, useValue: parts.credentialPolicy },
      { provide: LoginEndpoints, useValue: parts.loginEndpoints },
      { provide: FederationSettings, useValue: parts.federation },
      { provide: WorkspaceSettings, useValue: parts.workspaceSettings },
      { provide: PublicUrl, useValue: parts.publicUrl },
      { provide: PriceList, useValue: parts.prices },
      { provide: RequestLimits, useValue: parts.requestLimits },
      { provide: Readiness, useValue: parts.readiness },
      { provide: WorkspaceFeed, useValue: parts.feed },
      ...(parts.runtime ? [{ provide: RUNTIME, useValue: parts.runtime }] : []),
    ];
    return { module: PartsModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}

type Imports = NonNullable<DynamicModule['imports']>;

/** In every process: the rooms, of which others make use, and how the process does. */
function common(parts: CommonParts & Partial<WorkParts>): Imports {
  return [
    PartsModule.with(parts),
    DatabaseModule.with(parts.database, parts.system),
    QueueModule.on(parts.queue),
    AuditModule,
    IdentityModule,
    CredentialsModule,
    WorkspacesModule,
    ChatsModule,
    TriggersModule,
    IntegrationsModule,
  ];
}

/** The routes of people and machines. A request is held against one after the other, so those of webhooks, which come in crowds, are asked first. */
const apiModules: Imports = [
  IntegrationsApiModule,
  IdentityApiModule,
  CredentialsApiModule,
  WorkspacesApiModule,
  ChatsApiModule,
  UsageModule,
  RunnerGatewayModule,
  TriggersApiModule,
];
/** How a process does, whichever its role. */
const commonControllers = [HealthController, MetricsController];
const apiControllers = [AuditController, InstanceController, SessionController];

/** One effect per Idempotency-Key. */
const idempotency: Provider[] = [
  KeptAnswers,
  KeyScopes,
  Expiry,
  { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
];

/** What does jobs. */
const workModules: Imports = [
  QueueWorkModule,
  CredentialsWorkModule,
  WorkspacesWorkModule,
  TriggersWorkModule,
];

/** Whichever routes there are, one guard stands before all of them, and whom it refuses is booked. And whichever process works, rotation finds all that is sealed. */
const everywhere: Provider[] = [
  Authenticator,
  { provide: APP_GUARD, useClass: RouteGuard },
  RefusedAttempts,
  SealedAnswers,
];

/** The composition, one for each role. */
@Module({})
export class AppModule {
  static with(parts: Parts): DynamicModule {
    return {
      module: AppModule,
      imports: [...common(parts), ...apiModules, ...workModules],
      controllers: [...commonControllers, ...apiControllers],
      providers: [...idempotency, ...everywhere],
    };
  }

  static api(parts: CommonParts): DynamicModule {
    return {
      module: AppModule,
      imports: [...common(parts), ...apiModules],
      controllers: [...commonControllers, ...apiControllers],
      providers: [...idempotency, ...everywhere],
    };
  }

  static worker(parts: CommonParts & WorkParts): DynamicModule {
    return {
      module: AppModule,
      imports: [...common(parts), ...workModules],
      controllers: commonControllers,
      providers: everywhere,
    };
  }
}
