import { access, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../../config/index.js';
import {
  assertRuntimeLogin,
  inspectDatabase,
  runningEmbeddedUrl,
  startEmbeddedPostgres,
  type DatabaseFacts,
} from '../../database/index.js';
import { BerthError, messageOf, silentLog } from '../../kernel/index.js';
import { nearestFolder } from './folders.js';
import { fail, ok, type Finding } from './report.js';

/** A database to look at, for as long as the checks take. */
export interface OpenedDatabase {
  /** Null when there is none yet: the embedded one is made at the first start. */
  ownerUrl: string | null;
  close(): Promise<void>;
}

const notOurs = (): Promise<void> => Promise.resolve();

/**
 * Opens the database that Berth would use. The configured one and a running embedded one are only connected to. An embedded one that does not run is started
 * and stopped again: what it holds stays as it is. Where there is none yet, one is tried out in a folder of its own, which is removed.
 */
export async function openForLook(config: Config): Promise<OpenedDatabase & { how: string }> {
  if (config.database.url) return { ownerUrl: config.database.url, close: notOurs, how: 'of DATABASE_URL' };
  const directory = path.join(config.dataDirectory, 'postgres');
  const running = await runningEmbeddedUrl(directory);
  if (running !== null) return { ownerUrl: running, close: notOurs, how: 'embedded, and running' };
  const exists = await access(path.join(directory, 'cluster')).then(
    () => true,
    () => false,
  );
  if (!exists) {
    await tryOut(config.dataDirectory);
    return { ownerUrl: null, close: notOurs, how: 'embedded, made at the first start; it was tried out' };
  }
  const started = await startEmbeddedPostgres({ directory, log: silentLog });
  return { ownerUrl: started.ownerUrl, close: () => started.stop(), how: 'embedded, and it starts' };
}

/** In the same place, because who may pass its folders decides whether Postgres can run there. */
async function tryOut(dataDirectory: string): Promise<void> {
  const folder = await mkdtemp(path.join(await nearestFolder(dataDirectory), '.berth-doctor-'));
  try {
    const trial = await startEmbeddedPostgres({ directory: path.join(folder, 'postgres'), log: silentLog });
    await trial.stop();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const OLDEST = 150_000;

/** The server is new enough, takes writes, and the login may do what the first start does. */
export async function database(opened: OpenedDatabase & { how: string }, config: Config): Promise<Finding> {
  if (opened.ownerUrl === null) return ok(opened.how);
  let facts: DatabaseFacts;
  try {
    facts = await inspectDatabase(opened.ownerUrl);
  } catch (error) {
    return fail(messageOf(error), config.database.url ? adviceOn(error) : null);
  }
  const described = `Postgres ${facts.version}, ${opened.how}`;
  const wrong = await faultOf(facts, config);
  return wrong ?? ok(described);
}

/** A server that refuses the login runs, and starting it would not help. */
function adviceOn(error: unknown): string {
  return error instanceof BerthError && error.code === 'config-invalid'
    ? 'Correct login, password or database name in DATABASE_URL, or make them on the server.'
    : 'Start the server that DATABASE_URL names, or correct DATABASE_URL.';
}

async function faultOf(facts: DatabaseFacts, { database }: Config): Promise<Finding | null> {
  const { appUrl, systemUrl, queueUrl } = database;
  if (facts.versionNumber < OLDEST)
    return fail(
      `The server is Postgres ${facts.version}; Berth needs 15 or newer.`,
      'Upgrade it, or choose another DATABASE_URL.',
    );
  if (facts.isReadOnly)
    return fail(
      'The server takes no writes: it is a standby, or set to read-only.',
      'Set DATABASE_URL to the primary.',
    );
  const prepared = [appUrl, systemUrl, queueUrl].filter((url) => url !== undefined);
  for (const url of prepared) await assertRuntimeLogin(url);
  if (!facts.mayCreateTables || !facts.mayCreateSchemas)
    return fail(
      `The login ${facts.login} of DATABASE_URL may not create ${facts.mayCreateTables ? 'schemas' : 'tables'} in the database.`,
      `Make it the owner: ALTER DATABASE … OWNER TO ${facts.login};`,
    );
  if (prepared.length === 0 && !facts.mayCreateRoles)
    return fail(
      `The login ${facts.login} of DATABASE_URL may not create roles.`,
      `Run "ALTER ROLE ${facts.login} CREATEROLE", or prepare the logins and set DATABASE_APP_URL, DATABASE_SYSTEM_URL and DATABASE_QUEUE_URL.`,
    );
  return null;
}
