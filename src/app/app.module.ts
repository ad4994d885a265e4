import { Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { ChatsModule } from '../chats/index.js';
import { CredentialPolicy, CredentialsModule, Vault } from '../credentials/index.js';
import { DatabaseModule, type Database, type SystemStore } from '../database/index.js';
import { WorkspaceFeed } from '../events/index.js';
import { IdentityModule, SetupToken } from '../identity/index.js';
import { LOG, World, type Log } from '../kernel/index.js';
import { QueueModule, type QueueBackend } from '../queue/index.js';
import { RunnerGatewayModule } from '../runner-gateway/index.js';
import type { Runtime } from '../runtime/index.js';
import { RUNTIME, WorkspacesModule, WorkspaceSettings } from '../workspaces/index.js';
import { RouteGuard } from './auth/route.guard.js';
import { SessionController } from './auth/session.controller.js';
import { ApiKeyStrategy, MachineStrategy, PasswordStrategy, SessionStrategy } from './auth/strategies.js';
import { InstanceController } from './instance.controller.js';
import { PublicUrl } from '../http/index.js';
import { Readiness } from './readiness.js';

/** What the rooms are given: opened and closed by who composes (compose.ts). */
export interface Parts {
  log: Log;
  world: World;
  database: Database;
  system: SystemStore;
  queue: QueueBackend;
  feed: WorkspaceFeed;
  vault: Vault;
  runtime: Runtime;
  setupToken: SetupToken;
  credentialPolicy: CredentialPolicy;
  workspaceSettings: WorkspaceSettings;
  publicUrl: PublicUrl;
  readiness: Readiness;
}

/** The parts, for every room by type. */
@Module({})
class PartsModule {
  static with(parts: Parts): DynamicModule {
    const providers = [
      { provide: LOG, useValue: parts.log },
      { provide: RUNTIME, useValue: parts.runtime },
      { provide: World, useValue: parts.world },
      { provide: WorkspaceFeed, useValue: parts.feed },
      { provide: Vault, useValue: parts.vault },
      { provide: SetupToken, useValue: parts.setupToken },
      { provide: CredentialPolicy, useValue: parts.credentialPolicy },
      { provide: WorkspaceSettings, useValue: parts.workspaceSettings },
      { provide: PublicUrl, useValue: parts.publicUrl },
      { provide: Readiness, useValue: parts.readiness },
    ];
    return { module: PartsModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}

/** The composition: rooms, the guard of all routes, ways to sign in. */
@Module({})
export class AppModule {
  static with(parts: Parts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PartsModule.with(parts),
        DatabaseModule.with(parts.database, parts.system),
        QueueModule.on(parts.queue),
        PassportModule,
        IdentityModule,
        CredentialsModule,
        WorkspacesModule,
        ChatsModule,
        RunnerGatewayModule,
      ],
      controllers: [InstanceController, SessionController],
      providers: [
        PasswordStrategy,
        ApiKeyStrategy,
        MachineStrategy,
        SessionStrategy,
        { provide: APP_GUARD, useClass: RouteGuard },
      ],
    };
  }
}
