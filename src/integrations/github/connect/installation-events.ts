import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { GithubEvents, type GithubDelivery } from '../github-events.js';
import { GithubConnections } from './connections.service.js';

const toldSchema = z.object({ installation: z.object({ id: z.int().positive().transform(String) }) });

/**
 * What GitHub tells of installations and of the repositories they reach. Told twice, late or in another order it comes to the same: whatever it says, GitHub is asked what is so now.
 */
@Injectable()
export class InstallationEvents {
  constructor(
    events: GithubEvents,
    private readonly connections: GithubConnections,
  ) {
    for (const event of ['installation', 'installation_target'])
      events.on(event, (delivery) => this.installation(delivery));
    for (const event of ['installation_repositories', 'repository'])
      events.on(event, (delivery) => this.repositories(delivery));
  }

  private async installation({ organizationId, body }: GithubDelivery): Promise<string> {
    const { installation } = toldSchema.parse(body);
    return `installation-${await this.connections.refresh(organizationId, installation.id)}`;
  }

  private async repositories({ organizationId, body }: GithubDelivery): Promise<string> {
    const { installation } = toldSchema.parse(body);
    await this.connections.refreshRepositories(organizationId, installation.id);
    return 'repositories-updated';
  }
}
