import type { Client } from 'pg';
import { systemIds } from '../../src/kernel/index.js';
import { withClient } from './tables.js';

/** Writes a conversation as the owner of the database, past who opens them. `changes` are its columns. Answers its id. */
export function writeConversation(
  ownerUrl: string,
  organizationId: string,
  changes: Record<string, unknown> = {},
): Promise<string> {
  const id = systemIds.next();
  const row = {
    id,
    organization_id: organizationId,
    system: 'github',
    key: `repository/1/pull/${id}`,
    url: 'https://github.com/acme/widgets/pull/1',
    subject: { installationId: '1' },
    state: 'open',
    made: {},
    created_at: new Date(),
    updated_at: new Date(),
    ...changes,
  };
  return withClient(ownerUrl, async (client) => {
    await insertRow(client, 'conversation', row);
    return id;
  });
}

export async function insertRow(client: Client, table: string, row: Record<string, unknown>): Promise<void> {
  const places = Object.keys(row).map((_, at) => `$${at + 1}`);
  await client.query(
    `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`,
    Object.values(row),
  );
}

/** A reply as its row says. */
export interface ReplyRow {
  key: string;
  type: string;
  state: string;
  attempts: number;
  error: string | null;
  externalId: string | null;
  externalKey: string;
  content: Record<string, unknown>;
  about: Record<string, unknown>;
}

/** The replies of a conversation, in their order. */
export function repliesIn(ownerUrl: string, conversationId: string): Promise<ReplyRow[]> {
  return withClient(ownerUrl, async (client) => {
    const { rows } = await client.query<ReplyRow>(
      `SELECT key, content->'content'->>'type' AS type, state, attempts, error, external_id AS "externalId",
              external_key AS "externalKey", content->'content' AS content, content->'about' AS about
         FROM reply WHERE conversation_id = $1 ORDER BY seq`,
      [conversationId],
    );
    return rows;
  });
}
