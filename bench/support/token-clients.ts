import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { Pool } from 'undici';
import { proxyPaths, type Lease } from '../../src/contracts/index.js';
import { hashToken } from '../../src/identity/index.js';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../test/emulators/anthropic.js';
import { TOKEN_PATH } from '../../test/emulators/claude-logins.js';
import type { Cluster } from '../../test/support/cluster.js';
import { writeWorkspaces } from '../../test/support/rows.js';
import type { BenchContext } from '../bench.js';
import { startCluster, startPostgres } from './cluster.js';

/** Nothing but what is measured happens to workspaces that have no runner. */
const NO_SWEEP = '3600';
/** Far more than asked for. */
const REQUESTS_PER_SECOND = 1_000_000;
const CONNECTIONS = 200;

/** A workspace as its proxy sees it: the token with which it asks for leases. */
export interface LeaseClient {
  workspaceId: string;
  token: string;
}

/** The built Berth as an api and a worker, an emulated Anthropic with its logins, and proxies that are played: they ask for leases over HTTP, each for a workspace of its own. */
export class LoginSystem {
  readonly #pool: Pool;

  private constructor(
    readonly claude: AnthropicEmulator,
    readonly cluster: Cluster,
    private readonly client: Client,
    private readonly organizationId: string,
    private readonly ownerId: string,
  ) {
    this.#pool = new Pool(cluster.process('api-1').url, { connections: CONNECTIONS });
  }

  static async start(context: BenchContext): Promise<LoginSystem> {
    const claude = await startAnthropicEmulator();
    context.defer(() => claude.close());
    await startPostgres(context);
    const environment = {
      BERTH_CLAUDE_TOKEN_URL: claude.url + TOKEN_PATH,
      BERTH_SWEEP_SECONDS: NO_SWEEP,
    };
    const cluster = await startCluster(context, { apis: 1, workers: 1, environment });
    const { api } = cluster;
    await api.call('PATCH', api.path('/limits'), { requestsPerSecond: REQUESTS_PER_SECOND }, 200);
    const client = new Client({ connectionString: cluster.database.ownerUrl });
    // When the bench is interrupted its Postgres may be gone before.
    client.on('error', () => undefined);
    await client.connect();
    context.defer(() => client.end());
    const { rows } = await client.query<{ organization_id: string; user_id: string }>(
      'SELECT organization_id, user_id FROM member',
    );
    const { organization_id = '', user_id = '' } = rows[0] ?? {};
    const system = new LoginSystem(claude, cluster, client, organization_id, user_id);
    context.defer(() => system.#pool.close());
    return system;
  }

  /** The owner's Claude login, connected anew. */
  async connect(): Promise<void> {
    const { api } = this.cluster;
    const { accessToken, refreshToken, expiresAt } = this.claude.logins.issue();
    const body = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
    await api.setCredential('user', 'claude_oauth', body);
  }

  /** The token runs out at this moment. */
  async runOut(): Promise<void> {
    await this.client.query(`UPDATE credential SET expires_at = now(), renew_at = now()`);
  }

  async clients(count: number): Promise<LeaseClient[]> {
    const { ownerUrl } = this.cluster.database;
    const ids = await writeWorkspaces(ownerUrl, this.organizationId, this.ownerId, count);
    const clients = ids.map((workspaceId) => ({ workspaceId, token: randomBytes(32).toString('base64url') }));
    await this.client.query(
      `INSERT INTO machine_token (hash, organization_id, workspace_id, identity, created_at)
       SELECT hash, $3, id, 'proxy', now() FROM unnest($1::text[], $2::uuid[]) AS t(hash, id)`,
      [clients.map(({ token }) => hashToken(token)), ids, this.organizationId],
    );
    await this.client.query('ANALYZE workspace, machine_token');
    return clients;
  }

  /** A lease, asked for again while it is not ready, as a proxy does. */
  async lease({ token }: LeaseClient): Promise<Lease> {
    for (;;) {
      const { statusCode, body } = await this.#pool.request({
        method: 'POST',
        path: proxyPaths.lease,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: '{"upstream":"anthropic"}',
      });
      const text = await body.text();
      if (statusCode === 200) return JSON.parse(text) as Lease;
      if (statusCode !== 503) throw new Error(`A lease was answered ${statusCode}: ${text.slice(0, 200)}`);
    }
  }

  /** The least that this server answers. */
  async hello(): Promise<void> {
    const { statusCode, body } = await this.#pool.request({ method: 'GET', path: '/healthz' });
    await body.dump();
    if (statusCode !== 200) throw new Error(`The server answered ${statusCode}.`);
  }
}
