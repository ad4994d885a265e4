import { randomBytes } from 'node:crypto';
import type { KeysView } from '../../src/contracts/index.js';
import { Vault, type RingKey } from '../../src/credentials/index.js';
import { Cluster } from '../support/cluster.js';
import { withClient } from '../support/tables.js';
import { figure, playsInFull } from './figure.js';

/*
 * A re-sealing that writes over what is set meanwhile (credentialsStore.reseal without `sealed: before`) is caught by src/app/keys.integration.test.ts, which was seen to fail by it. Here the two
 * meet too seldom: this program stayed green with it, and so proves the service and not that race.
 */

const key = (id: string): RingKey => ({ id, key: randomBytes(32) });
const written = (ring: RingKey[]): string =>
  ring.map(({ id, key }) => `${id}:${Buffer.from(key).toString('base64')}`).join(',');
const SCOPES = ['user', 'organization'] as const;
const KINDS = ['anthropic_api_key', 'claude_setup_token', 'openai_api_key'] as const;

interface Row {
  id: string;
  organization_id: string;
  key_id: string;
  sealed: string;
}

figure(
  {
    id: 'F30',
    scenario:
      'master key rotated online under load by an api and a worker of their own, the worker killed half-way (at full size); the old key removed afterwards',
    line: '0 failed requests, 100 % of the rows on the new key, each with the secret that was set last, a start without the old key',
    rounds: { small: 12, full: 600 },
    countedAt:
      "answers at the client; rows in Postgres, opened by the new key alone in the test's own process",
    time: 'real',
  },
  async (findings) => {
    const [k1, k2] = [key('k1'), key('k2')];
    const ringOf = (...ring: RingKey[]): Record<string, string> => ({ BERTH_ENCRYPTION_KEYS: written(ring) });
    const during = ringOf(k2, k1);
    const cluster = await Cluster.start({ apis: 1, workers: 1, environment: ringOf(k1, k2) });
    try {
      const load = new Load(cluster);
      await load.found(Math.ceil(findings.rounds / (SCOPES.length * KINDS.length)));
      const rowsBefore = await rowsOf(cluster);
      findings.expect(
        rowsBefore.every(({ key_id }) => key_id === 'k1'),
        'the rows were not all under the old key at the beginning',
      );
      for (const name of cluster.names) await restart(cluster, name, during);
      const api = cluster.at('api-1');
      const stop = load.begin();
      try {
        const begun = performance.now();
        await api.post('/api/v1/instance/keys/rotate', undefined, 202);
        // What a killed worker had in hand is given to another only after 8 to 14 s: too long for a small run.
        if (playsInFull) {
          const left = await api.poll('half of the rows are done', async () => {
            const old = (await rowsOf(cluster)).filter(({ key_id }) => key_id === 'k1').length;
            return old <= rowsBefore.length / 2 ? old : null;
          });
          await cluster.kill('worker-1');
          findings.number('rows left when the worker was killed', left);
          await cluster.start('worker-1', during);
        }
        const done = await api.poll(
          'the rotation is finished',
          async () => {
            const { body } = await api.get<KeysView>('/api/v1/instance/keys');
            return body.rotation?.state === 'finished' ? body : null;
          },
          240,
        );
        findings.number('rotation s', Math.round((performance.now() - begun) / 100) / 10);
        findings.expect(
          done.keys.some(({ id, retiredAt }) => id === 'k1' && retiredAt !== null),
          'the old key was not retired',
        );
      } finally {
        const { requests, failed } = await stop();
        findings.number('rows', rowsBefore.length);
        findings.number('requests meanwhile', requests);
        findings.expect(requests > 0, 'no request was made meanwhile');
        for (const failure of failed) findings.breach(`a request failed: ${failure}`);
      }
      findings.tried = rowsBefore.length;
      await load.check(new Vault([k2]), await rowsOf(cluster), findings.breach.bind(findings));
      // Without the old key: all start, and serve.
      for (const name of cluster.names) await restart(cluster, name, ringOf(k2));
      await load.setAll(cluster.at('api-1').url);
      await load.check(new Vault([k2]), await rowsOf(cluster), findings.breach.bind(findings));
    } finally {
      await cluster.close();
    }
  },
);

async function restart(cluster: Cluster, name: string, environment: Record<string, string>): Promise<void> {
  await cluster.process(name).stop();
  await cluster.start(name, environment);
}

const rowsOf = (cluster: Cluster): Promise<Row[]> =>
  withClient(
    cluster.database.ownerUrl,
    async (client) =>
      (await client.query<Row>('SELECT id, organization_id, key_id, sealed FROM credential ORDER BY id'))
        .rows,
  );

/** Organizations whose credentials are set again and again, each time to a text that is remembered once it was answered. */
class Load {
  private readonly organizations: { slug: string; apiKey: string; id: string }[] = [];
  /** The secret that was answered last, and one that may or may not be there yet. */
  private readonly set = new Map<string, string>();

  constructor(private readonly cluster: Cluster) {}

  async found(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const slug = `org-${n}`;
      const { body } = await this.cluster.api.post<{ organization: { id: string }; apiKey: string }>(
        '/api/v1/organizations',
        { name: slug, slug },
        201,
      );
      this.organizations.push({ slug, apiKey: body.apiKey, id: body.organization.id });
    }
    await this.setAll(this.cluster.at('api-1').url);
  }

  async setAll(url: string): Promise<void> {
    for (const organization of this.organizations)
      for (const scope of SCOPES)
        for (const kind of KINDS) {
          const failure = await this.put(url, organization, scope, kind);
          if (failure) throw new Error(failure);
        }
  }

  /** Sets one after the other at random until it is told to stop; answers how many, and what failed. */
  begin(): () => Promise<{ requests: number; failed: string[] }> {
    const { url } = this.cluster.at('api-1');
    let goes = true;
    let requests = 0;
    const failed: string[] = [];
    const run = async (lane: number): Promise<void> => {
      for (let n = lane; goes; n += 7) {
        const organization = this.organizations[n % this.organizations.length];
        // Each lane has kinds of its own, so that what was answered last is what is there.
        const scope = SCOPES[lane % SCOPES.length];
        const kind = KINDS[n % KINDS.length];
        if (!organization || !scope || !kind) throw new Error('There is no organization.');
        const failure = await this.put(url, organization, scope, kind);
        requests++;
        if (failure) failed.push(failure);
      }
    };
    const lanes = SCOPES.map((_, lane) => run(lane));
    return async () => {
      goes = false;
      await Promise.all(lanes);
      return { requests, failed };
    };
  }

  /** All rows are under the new key, and open with it alone to what was set last. */
  async check(vault: Vault, rows: Row[], breach: (what: string) => void): Promise<void> {
    const opened = new Set<string>();
    for (const { id, organization_id: organizationId, key_id, sealed } of rows) {
      if (key_id !== 'k2') breach(`a row is under ${key_id}`);
      const text = await vault
        .open(sealed, { purpose: 'credential', organizationId, rowId: id })
        .catch((error: unknown) => {
          breach(`a row does not open: ${String(error)}`);
          return '';
        });
      opened.add(text);
    }
    for (const [place, secret] of this.set)
      if (![...opened].some((text) => text.includes(secret))) breach(`${place} is not what was set last`);
  }

  private async put(
    url: string,
    { slug, apiKey }: { slug: string; apiKey: string },
    scope: string,
    kind: (typeof KINDS)[number],
  ): Promise<string | null> {
    const random = randomBytes(24).toString('hex');
    const body = {
      anthropic_api_key: { apiKey: `sk-ant-api03-${random}` },
      claude_setup_token: { token: `sk-ant-oat01-${random}` },
      openai_api_key: { apiKey: `sk-proj-${random}` },
    }[kind];
    const path = `/api/v1/organizations/${slug}/credentials/${scope}/${kind}`;
    const { status } = await this.cluster.api.as(apiKey, slug).at(url).call('PUT', path, body);
    if (status !== 200) return `PUT ${path} answered ${status}`;
    this.set.set(path, random);
    return null;
  }
}
