import { startAnthropicEmulator, type AnthropicEmulator } from '../../emulators/anthropic.js';
import { Cluster } from '../../support/cluster.js';
import { withClient } from '../../support/tables.js';
import type { CrowdPlace } from './crowd.js';

/** Two api and two worker, processes of their own, whose Claude logins come from an emulated provider in this one. */
export class LoginCluster {
  private constructor(
    readonly cluster: Cluster,
    readonly claude: AnthropicEmulator,
    readonly place: CrowdPlace,
  ) {}

  static async start(withRedis = false, environment: Record<string, string> = {}): Promise<LoginCluster> {
    const claude = await startAnthropicEmulator();
    const cluster = await Cluster.start({
      withRedis,
      withIssuer: true,
      environment: {
        BERTH_ANTHROPIC_API_URL: claude.url,
        BERTH_CLAUDE_AUTHORIZE_URL: `${claude.url}/oauth/authorize`,
        BERTH_CLAUDE_TOKEN_URL: `${claude.url}/v1/oauth/token`,
        BERTH_CLAUDE_REDIRECT_URL: `${claude.url}/oauth/code/callback`,
        BERTH_ANTHROPIC_TOKEN_URL: `${claude.url}/v1/oauth/token`,
        ...environment,
      },
    });
    const { ownerUrl } = cluster.database;
    const id = await withClient(ownerUrl, async (client) => {
      const { rows } = await client.query<{ id: string }>('SELECT id FROM organization');
      return rows[0]?.id ?? '';
    });
    const urls = ['api-1', 'api-2'].map((name) => cluster.process(name).url);
    const organization = { id, slug: 'acme' };
    return new LoginCluster(cluster, claude, {
      urls,
      ownerUrl,
      claude,
      organization,
      issuer: cluster.balancerUrl,
    });
  }

  async close(): Promise<void> {
    await this.cluster.close();
    await this.claude.close();
  }
}
