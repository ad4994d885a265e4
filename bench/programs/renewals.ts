import { randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { keyRingOf } from '../../src/app/key-file.js';
import { Vault } from '../../src/credentials/index.js';
import { embeddedSuperuserUrl } from '../../src/database/embedded/index.js';
import { SystemStore } from '../../src/database/index.js';
import { TOKEN_PATH } from '../../test/emulators/claude-logins.js';
import { withDatabase } from '../../test/support/postgres.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { found } from '../support/deadline.js';
import { timed, timeRow } from '../support/samples.js';
import { BenchSystem } from '../support/system.js';

/** As many as of 10,000 that are due within a minute fall into six seconds. */
const DUE = 1_000;
const WITHIN_SECONDS = 6;
const CALLERS = 10;
const CREDENTIALS = [1_000, 10_000, 100_000];
const LOOKS = 50;
const PAGE = 500;

/** How soon logins are renewed that are due together; and what a look for due ones costs while there are ever more of which none is. The second is meant to be flat. */
export const renewals: Bench = { name: 'renewals', run };

/** Where credentials are written, past the API. */
interface Place {
  system: BenchSystem;
  client: Client;
  store: SystemStore;
  organizationId: string;
  /** Uses them all, so that they are renewed before anybody asks. */
  workspaceId: string;
}

async function run(context: BenchContext): Promise<Row[]> {
  const system = await BenchSystem.start(context);
  const { id: workspaceId } = await system.runningWorkspace(context);
  const url = withDatabase(await embeddedSuperuserUrl(`${system.berth.dataDirectory}/postgres`), 'berth');
  const client = new Client({ connectionString: url });
  await client.connect();
  context.defer(() => client.end());
  const store = new SystemStore(url);
  context.defer(() => store.close());
  const { rows } = await client.query<{ id: string }>('SELECT id FROM organization');
  const place = { system, client, store, organizationId: rows[0]?.id ?? '', workspaceId };
  return [...(await dueTogether(context, place)), ...(await looks(context, place))];
}

async function dueTogether(context: BenchContext, place: Place): Promise<Row[]> {
  context.say(`${DUE} logins become due`);
  const { logins } = place.system.anthropic;
  const ids = await addLogins(place);
  const { client } = place;
  let told = 0;
  await found('all logins are renewed', async () => {
    const renewed = Math.floor(logins.count('renewed') / 100);
    if (renewed > told) context.say(`${renewed * 100} of ${DUE} logins renewed`);
    told = renewed;
    const left = await client.query(
      'SELECT 1 FROM credential WHERE id = ANY($1) AND generation = 1 LIMIT 1',
      [ids],
    );
    return left.rowCount === 0 ? true : null;
  });
  if (logins.calls.length !== DUE) throw new Error(`${DUE} logins cost ${logins.calls.length} calls.`);
  const { rows } = await client.query<{ lag: number; next: Date }>(
    `SELECT extract(epoch FROM c.last_rotated_at - (c.settings->>'due')::timestamptz)::float8 * 1000 AS lag, c.renew_at AS next
       FROM credential c WHERE id = ANY($1)`,
    [ids],
  );
  const next = rows.map((row) => row.next.getTime());
  const spread = Math.round((Math.max(...next) - Math.min(...next)) / 60_000);
  const { rows: spans } = await client.query<{ span: number }>(
    `SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 * 1000 AS span FROM credential_rotation WHERE credential_id = ANY($1)`,
    [ids],
  );
  const each = (spans[0]?.span ?? 0) / DUE;
  const plain = await plainCalls(place.system);
  return [
    timeRow(
      `${DUE} logins due within ${WITHIN_SECONDS} s, ${DUE} calls: lag (next due: over ${spread} min)`,
      rows.map((row) => row.lag),
    ),
    timeRow(`  besides: one of them (${Math.round(1000 / each)}/s)`, [each], {
      what: `the bare call, ${CALLERS} callers`,
      samples: [plain],
    }),
  ];
}

/** Members with a login each, sealed as Berth does it. */
async function addLogins({ system, client, organizationId, workspaceId }: Place): Promise<string[]> {
  const { keys } = await keyRingOf(system.berth.dataDirectory, randomBytes);
  const vault = new Vault(keys);
  const ids = await addMembers(client, organizationId, DUE);
  const begin = Date.now() + 3_000;
  const rows = await Promise.all(
    ids.map(async (rowId, at) => {
      const { accessToken, refreshToken } = system.anthropic.logins.issue();
      const place = { purpose: 'credential' as const, organizationId, rowId };
      const { text } = await vault.seal(JSON.stringify({ accessToken, refreshToken }), place);
      return { id: rowId, sealed: text, due: new Date(begin + (at * WITHIN_SECONDS * 1000) / DUE) };
    }),
  );
  await client.query('BEGIN');
  await addCredentials(client, organizationId, vault.sealingKeyId, rows);
  await client.query(
    `INSERT INTO lease (organization_id, workspace_id, credential_id, generation, scope, kind, reason, user_id, expires_at, lineage)
     SELECT organization_id, $2, id, 1, scope, kind, 'bench', user_id, now(), lineage FROM credential WHERE id = ANY($1)`,
    [ids, workspaceId],
  );
  await client.query('COMMIT');
  return ids;
}

/** A member's id is their credential's too. */
async function addMembers(client: Client, organizationId: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await client.query(
    `INSERT INTO "user" (id, email, name, created_at) SELECT id, id || '@bench.example', 'member', now() FROM unnest($1::uuid[]) AS t(id)`,
    [ids],
  );
  await client.query(
    `INSERT INTO member (organization_id, user_id, role, created_at) SELECT $2, id, 'member', now() FROM unnest($1::uuid[]) AS t(id)`,
    [ids, organizationId],
  );
  return ids;
}

interface NewLogin {
  id: string;
  sealed: string;
  due: Date;
}

async function addCredentials(
  client: Client,
  organizationId: string,
  keyId: string,
  logins: readonly NewLogin[],
): Promise<void> {
  await client.query(
    `INSERT INTO credential (id, organization_id, scope, subject, user_id, kind, status, hint, generation, sealed, key_id, settings, expires_at, connected_at, renew_at, created_at, updated_at)
     SELECT id, $2, 'user', id::text, id, 'claude_oauth', 'active', 'sk-ant-oat01-…', 1, sealed, $3, jsonb_build_object('due', due), now() + interval '10 min', now(), due, now(), now()
       FROM unnest($1::uuid[], $4::text[], $5::timestamptz[]) AS t(id, sealed, due)`,
    [
      logins.map(({ id }) => id),
      organizationId,
      keyId,
      logins.map(({ sealed }) => sealed),
      logins.map(({ due }) => due),
    ],
  );
}

/** Milliseconds per call of somebody who does nothing but call. */
async function plainCalls({ anthropic }: BenchSystem): Promise<number> {
  const pairs = Array.from({ length: DUE }, () => anthropic.logins.issue());
  const caller = async (): Promise<void> => {
    for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
      const { refreshToken } = pair;
      const response = await fetch(anthropic.url + TOKEN_PATH, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          grant_type: 'refresh_token',
          refresh_token: refreshToken,
          client_id: 'bench',
        }),
      });
      await response.text();
      if (!response.ok) throw new Error(`The provider answered ${response.status}.`);
    }
  };
  return (await timed(() => Promise.all(Array.from({ length: CALLERS }, caller)))) / DUE;
}

/** The three looks of a sweep, with none of the credentials due. */
async function looks(context: BenchContext, { client, store, organizationId }: Place): Promise<Row[]> {
  const rows: Row[] = [];
  let yardstick: { what: string; samples: number[] } | null = null;
  let there = DUE;
  for (const count of CREDENTIALS) {
    context.say(`${count} credentials`);
    const ids = await addMembers(client, organizationId, count - there);
    // Nobody opens them.
    const due = new Date(Date.now() + 3600_000);
    await addCredentials(
      client,
      organizationId,
      'bench',
      ids.map((id) => ({ id, sealed: '{}', due })),
    );
    there = count;
    await client.query('ANALYZE credential');
    const look = async (): Promise<void> => {
      const now = new Date();
      const stale = await store.renewals.stale(20);
      const logins = await store.renewals.dueLogins(now, null, PAGE);
      const minted = await store.renewals.dueMinted(now, null, PAGE);
      if (stale.length + logins.length + minted.length > 0) throw new Error('Something is due.');
    };
    // The first ones plan, and find what the writing left behind.
    for (let n = 0; n < LOOKS; n++) await look();
    const samples: number[] = [];
    for (let n = 0; n < LOOKS; n++) samples.push(await timed(look));
    yardstick ??= { what: `the same with ${CREDENTIALS[0] ?? 0}`, samples };
    rows.push(timeRow(`looking for due ones among ${count} logins`, samples, yardstick));
  }
  return rows;
}
