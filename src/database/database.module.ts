import { Module, type DynamicModule } from '@nestjs/common';
import { Database } from './database.js';
import { SystemStore } from './system.store.js';

/** The open database, handed in by who opened it (src/main.ts, or a test), so that it is closed last and by the same hand. */
@Module({})
export class DatabaseModule {
  static with(database: Database, system: SystemStore): DynamicModule {
    return {
      module: DatabaseModule,
      global: true,
      providers: [
        { provide: Database, useValue: database },
        { provide: SystemStore, useValue: system },
      ],
      exports: [Database, SystemStore],
    };
  }
}
