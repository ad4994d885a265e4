import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/index.js';
import type { Log } from '../kernel/index.js';
import { startEmbeddedPostgres } from './embedded/index.js';
import { assertRuntimeLogin, ensureGroupRoles, ensureLogins, type LoginUrls } from './logins.js';
import { migrate, migrationNames } from './migrator.js';
import { SchemaWatch } from './schema-watch.js';
import { SystemStore } from './system.store.js';

/** A server to keep data on: the configured one, or the embedded one started for us. */
export interface DatabaseServer {
  ownerUrl: string;
  stop(): Promise<void>;
}

/** What is there to work with: the logins, and the one list of what must see more than one tenant. */
export interface OpenDatabase extends LoginUrls {
  system: SystemStore;
  /** Not started yet. */
  schemaWatch: SchemaWatch;
}

/** Throws `data-directory-in-use` when another Berth has the embedded one. */
export async function openServer(config: Config, log: Log): Promise<DatabaseServer> {
  if (config.database.url) return { ownerUrl: config.database.url, stop: () => Promise.resolve() };
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 });
  return startEmbeddedPostgres({ directory: path.join(config.dataDirectory, 'postgres'), log });
}

/** Brings the schema up to date, makes or takes the run-time logins. Refuses logins that row-level security would not hold. */
export async function openDatabase(
  { ownerUrl }: DatabaseServer,
  config: Config,
  migrationsDirectory: string,
  log: Log,
): Promise<OpenDatabase> {
  await ensureGroupRoles(ownerUrl);
  await migrate({ ownerUrl, migrationsDirectory, log });
  const urls = (await preparedLogins(config)) ?? (await ensureLogins({ ownerUrl }));
  const system = new SystemStore(urls.systemUrl);
  const schemaWatch = new SchemaWatch({
    known: await migrationNames(migrationsDirectory),
    booked: () => system.bookedMigrations(),
    log,
  });
  return { ...urls, system, schemaWatch };
}

/** The configured logins, if there are any; those that Berth makes are checked where they are made. */
async function preparedLogins({
  database: { appUrl, systemUrl, queueUrl },
}: Config): Promise<LoginUrls | null> {
  if (!appUrl || !systemUrl || !queueUrl) return null;
  for (const url of [appUrl, systemUrl, queueUrl]) await assertRuntimeLogin(url);
  return { appUrl, systemUrl, queueUrl };
}
