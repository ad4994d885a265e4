import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import { found, type Needle } from './needles.js';

/** The embedded Postgres of a Berth, as its superuser sees it: everything. */
export interface DatabaseSecrets {
  port: number;
  superuserPassword: string;
  ownerPassword: string;
}

/** Reads what only the host may: port and passwords. */
export async function databaseOf(dataDirectory: string): Promise<DatabaseSecrets> {
  const cluster = path.join(dataDirectory, 'postgres', 'cluster');
  const line = async (file: string, at = 0): Promise<string> =>
    (await readFile(path.join(cluster, file), 'utf8')).split('\n')[at]?.trim() ?? '';
  return {
    // Line 4 of postmaster.pid (pidfile.h).
    port: Number(await line('data/postmaster.pid', 3)),
    superuserPassword: await line('superuser-password'),
    ownerPassword: await line('owner-password'),
  };
}

/** Runs `work` as the superuser. */
export async function asSuperuser<T>(
  { port, superuserPassword }: DatabaseSecrets,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: superuserPassword,
    database: 'berth',
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** `name in table` for every row of every table, queue and system catalogs included. */
export async function foundInTables(
  secrets: DatabaseSecrets,
  needles: readonly Needle[],
): Promise<{ findings: string[]; tables: string[] }> {
  return asSuperuser(secrets, async (client) => {
    const { rows } = await client.query<{ schema: string; name: string }>(
      `SELECT schemaname AS schema, tablename AS name FROM pg_tables WHERE schemaname <> 'information_schema' ORDER BY 1, 2`,
    );
    const findings: string[] = [];
    for (const { schema, name } of rows) {
      const { rows: texts } = await client.query<{ text: string }>(
        `SELECT t::text AS text FROM ${escapeIdentifier(schema)}.${escapeIdentifier(name)} AS t`,
      );
      for (const { text } of texts)
        findings.push(...found(needles, Buffer.from(text)).map((secret) => `${secret} in ${schema}.${name}`));
    }
    return { findings, tables: rows.map(({ schema, name }) => `${schema}.${name}`) };
  });
}
