import { randomUUID } from 'node:crypto';
import type { ApiKeyView } from '../../src/contracts/index.js';
import type { TestMember } from '../support/app.js';
import { Bench } from '../support/bench.js';
import { requestJson } from '../support/http.js';
import { machinesOf, type TestProxy } from '../support/machines.js';
import { withClient } from '../support/tables.js';
import { figure } from './figure.js';

/** A sealed text that is served by a call: the row it stands in, what it holds, and the call. */
interface Served {
  table: 'credential' | 'idempotent_answer';
  id: string;
  secret: string;
  /** Status of the answer, and all of its text. */
  ask(): Promise<{ status: number; text: string }>;
}

const secretKey = (prefix: string): string => `${prefix}${randomUUID().replaceAll('-', '')}`;

/** One organization whose owner has a credential for each agent, a workspace for each, and an answer that is kept. */
async function served(bench: Bench, owner: TestMember): Promise<Served[]> {
  const { api } = owner;
  const all: Served[] = [];
  for (const [agent, kind, upstream, prefix] of [
    ['claude', 'anthropic_api_key', 'anthropic', 'sk-ant-api03-'],
    ['codex', 'openai_api_key', 'openai', 'sk-'],
  ] as const) {
    const secret = secretKey(prefix);
    await api.setCredential('user', kind, { apiKey: secret });
    const workspace = await api.createWorkspace({ repository: 'owner/name', agent });
    const { proxy } = await machinesOf(bench.app, workspace.id);
    const { credentialId: id } = await proxy.lease(upstream);
    all.push({ table: 'credential', id, secret, ask: () => lease(proxy, upstream) });
  }
  return [...all, await keptAnswer(bench, owner)];
}

async function lease(proxy: TestProxy, upstream: 'anthropic' | 'openai') {
  const { status, body } = await proxy.tryLease(upstream);
  return { status, text: JSON.stringify(body) };
}

/** A new API key's text stands in the answer to the request that made it, and so in the answer that is kept for a retry. */
async function keptAnswer(bench: Bench, { api, apiKey }: TestMember): Promise<Served> {
  const before = await ids(bench, 'idempotent_answer');
  const headers = { authorization: `Bearer ${apiKey}`, 'idempotency-key': randomUUID() };
  const ask = async () => {
    const url = `${bench.app.url}${api.path('/api-keys')}`;
    const { status, body } = await requestJson<ApiKeyView & { apiKey: string }>(
      url,
      'POST',
      { name: 'kept' },
      headers,
    );
    return { status, text: JSON.stringify(body) };
  };
  const { apiKey: secret } = JSON.parse((await ask()).text) as { apiKey: string };
  const [id = ''] = (await ids(bench, 'idempotent_answer')).filter((name) => !before.includes(name));
  return { table: 'idempotent_answer', id, secret, ask };
}

const ids = (bench: Bench, table: Served['table']): Promise<string[]> =>
  withClient(bench.app.database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ id: string }>(`SELECT id FROM ${table}`);
    return rows.map(({ id }) => id);
  });

/** Puts a sealed text into a row, as one could who writes to the database and has no key; answers what stood there. */
const put = (bench: Bench, { table, id }: Served, sealed: string): Promise<string> =>
  withClient(bench.app.database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ sealed: string }>(`SELECT sealed FROM ${table} WHERE id = $1`, [
      id,
    ]);
    await client.query(`UPDATE ${table} SET sealed = $2 WHERE id = $1`, [id, sealed]);
    return rows[0]?.sealed ?? '';
  });

const sealedOf = (bench: Bench, { table, id }: Served): Promise<string> =>
  withClient(bench.app.database.ownerUrl, async (client) => {
    const { rows } = await client.query<{ sealed: string }>(`SELECT sealed FROM ${table} WHERE id = $1`, [
      id,
    ]);
    return rows[0]?.sealed ?? '';
  });

describe('a sealed text', () => {
  let bench: Bench;
  let all: Served[];
  beforeAll(async () => {
    bench = await Bench.start({ worker: true });
    const other = await bench.app.founded('other');
    all = [...(await served(bench, bench.owner)), ...(await served(bench, other.owner))];
  });
  afterAll(() => bench.close());

  figure(
    {
      id: 'F14 sealed',
      scenario:
        'a sealed text is moved to another row: of the same organization, of another one, of another kind and of another purpose (credentials, kept answers)',
      line: 'it does not open there, and what it holds is in no answer; back in its place it serves',
      rounds: { small: 30, full: 600 },
      countedAt: 'the answers to the proxy and to the retry',
      time: 'injected',
    },
    async (findings) => {
      const pairs = all.flatMap((from) => all.filter((to) => to !== from).map((to) => ({ from, to })));
      findings.number('pairs of rows', pairs.length);
      for (let round = 0; round < findings.rounds; round++) {
        const { from, to } = pairs[round % pairs.length] ?? { from: all[0], to: all[1] };
        if (!from || !to) throw new Error('There are no two rows.');
        const own = await put(bench, to, await sealedOf(bench, from));
        const moved = await to.ask();
        await put(bench, to, own);
        const back = await to.ask();
        const name = `${from.table} ${from.id} in ${to.table} ${to.id}`;
        findings.expect(moved.status >= 500, `${name}: answered ${moved.status}`);
        findings.expect(
          !moved.text.includes(from.secret.slice(-16)),
          `${name}: the secret was in the answer`,
        );
        findings.expect(
          back.status < 300 && back.text.includes(to.secret),
          `${name}: did not serve when it was back: ${back.status}`,
        );
      }
    },
  );
});
