import { Body, Controller, Get, Inject, Module, Post, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import 'reflect-metadata';
import type { CreateWorkspace, WorkspaceView } from '../../src/contracts/index.js';
import { createClient, createPool } from '../../src/database/database.js';
import type { Tenant } from '../../src/database/index.js';
import { silentMetrics, systemIds } from '../../src/kernel/index.js';
import { rowTerms } from '../../src/workspaces/terms.js';
import { parseRepository } from '../../src/workspaces/repository.js';
import { workspaceView } from '../../src/workspaces/view.js';
import { workspacesStore } from '../../src/workspaces/workspaces.store.js';

/*
 * The yardstick of the bench `rest`, a program of its own: a Nest application with two routes that do what Berth's do, by Berth's own queries, and nothing else. Nobody is asked who they are,
 * nothing is judged, booked, limited or told. Its parent sends what it needs, and hears where it listens; it ends with its parent.
 */

/** What the parent sends. */
export interface BareNestOptions {
  databaseUrl: string;
  organizationId: string;
  ownerId: string;
  credentialId: string;
}

const OPTIONS = Symbol('options');
const DATABASE = Symbol('database');
const PAGE = 50;

@Controller()
class BareController {
  constructor(
    @Inject(OPTIONS) private readonly options: BareNestOptions,
    @Inject(DATABASE) private readonly database: ReturnType<typeof createClient>,
  ) {}

  @Get('workspaces')
  async list(): Promise<{ items: WorkspaceView[] }> {
    const rows = await workspacesStore.list(this.tenant(this.database), null, {
      after: null,
      take: PAGE + 1,
    });
    const now = new Date();
    return { items: rows.slice(0, PAGE).map((row) => workspaceView(row, now)) };
  }

  @Post('workspaces')
  async create(@Body() { repository, agent }: CreateWorkspace): Promise<WorkspaceView | null> {
    const id = systemIds.next();
    const parsed = parseRepository(repository);
    if ('problem' in parsed) throw new Error(parsed.problem);
    const { ownerId, credentialId } = this.options;
    const columns = {
      id,
      ownerId,
      name: 'app',
      repository,
      source: parsed.source,
      ref: null,
      repositoryId: null,
      ...rowTerms({}, 'berth/bare'),
      agent,
      model: 'a-model',
      credential: { id: credentialId, scope: 'user', kind: 'anthropic_api_key' } as const,
      idleTimeoutMinutes: 30,
      at: new Date(),
    };
    const operation = {
      id: systemIds.next(),
      reason: 'made',
      initiator: { type: 'member', id: ownerId, name: 'Ada' } as const,
    };
    const row = await this.database.$transaction(async (db) => {
      await workspacesStore.create(this.tenant(db), columns, operation);
      return workspacesStore.find(this.tenant(db), id);
    });
    return row && workspaceView(row, new Date());
  }

  private tenant(db: Tenant['db']): Tenant {
    const nothing = (): void => undefined;
    return {
      organizationId: this.options.organizationId,
      db,
      metrics: silentMetrics,
      beforeCommit: nothing,
      afterCommit: nothing,
      tell: () => Promise.resolve(),
    };
  }
}

@Module({})
class BareModule {
  static with(options: BareNestOptions): DynamicModule {
    const providers = [
      { provide: OPTIONS, useValue: options },
      { provide: DATABASE, useValue: createClient(createPool(options.databaseUrl)) },
    ];
    return { module: BareModule, controllers: [BareController], providers };
  }
}

async function serve(options: BareNestOptions): Promise<string> {
  const app = await NestFactory.create<NestExpressApplication>(BareModule.with(options), { logger: false });
  await app.listen(0, '127.0.0.1');
  return app.getUrl();
}

process.once('disconnect', () => process.exit());
process.once('message', (options: BareNestOptions) => {
  void serve(options).then((url) => process.send?.({ url }));
});
