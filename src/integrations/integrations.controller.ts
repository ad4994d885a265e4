import { Controller } from '@nestjs/common';
import { showIntegrationsRoute, type Answer } from '../contracts/index.js';
import { BindRoute } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { GithubConnections } from './github/connect/connections.service.js';
import { LinearConnections } from './linear/connections.service.js';

/** All systems at a glance. */
@Controller()
export class IntegrationsController {
  constructor(
    private readonly github: GithubConnections,
    private readonly linear: LinearConnections,
  ) {}

  @BindRoute(showIntegrationsRoute)
  async show(@CurrentActor() actor: Actor): Promise<Answer<typeof showIntegrationsRoute>> {
    const { installations } = await this.github.show(actor);
    const { connection } = await this.linear.show(actor);
    return {
      github: {
        connected: installations.some(({ suspendedAt }) => suspendedAt === null),
        installations: installations.map(({ id, account, suspendedAt }) => ({
          id: Number(id),
          account: account.login,
          suspended: suspendedAt !== null,
        })),
      },
      linear: {
        connected: connection !== null && connection.status !== 'rejected',
        organization: connection?.linearOrganization ?? null,
        scopes: connection?.scopes ?? [],
      },
    };
  }
}
