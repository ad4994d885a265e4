import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import { z } from 'zod';
import { githubWebhookRoute, type Answer } from '../../contracts/index.js';
import { BindRoute } from '../../http/index.js';
import { Deliveries } from '../../triggers/index.js';
import { bytesOf, nameIn, nameOf, notSetUp, notSigned, objectOf } from '../webhooks/reading.js';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { GithubNews } from './news.js';
import { isFromGithub } from './signature.js';

/** Whose it is: the installation's. What comes from a webhook of a repository or an organization has none. */
const installationSchema = z.object({ installation: z.object({ id: z.int().positive() }) });

/** Where GitHub tells what happened. Proven first, read then, stored, and answered: whatever is more than news is a job's. */
@Controller()
export class GithubWebhookController {
  constructor(
    private readonly secrets: WebhookSecrets,
    private readonly news: GithubNews,
    private readonly deliveries: Deliveries,
  ) {}

  @BindRoute(githubWebhookRoute)
  async receive(@Req() request: Request): Promise<Answer<typeof githubWebhookRoute>> {
    const secrets = await this.secrets.of('github');
    if (secrets.length === 0) throw notSetUp('github');
    const bytes = bytesOf(request);
    if (!isFromGithub(secrets, bytes, request.get('x-hub-signature-256'))) throw notSigned('github');
    const deliveryId = nameIn(request, 'x-github-delivery');
    const event = nameIn(request, 'x-github-event');
    const { text, body } = objectOf(bytes);
    const action = nameOf(body.action);
    const found = installationSchema.safeParse(body);
    const received = await this.deliveries.receive({
      ...{ system: 'github', deliveryId, event, action, body: text },
      outcome: await this.news.outcomeOf(event, action, body),
      tenantKey: found.success ? { installationId: String(found.data.installation.id) } : null,
    });
    return { received };
  }
}
