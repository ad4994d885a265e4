import { createHash } from 'node:crypto';
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import { linearWebhookRoute, type Answer } from '../../contracts/index.js';
import { BindRoute } from '../../http/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { Deliveries } from '../../triggers/index.js';
import { bytesOf, nameIn, nameOf, notSetUp, notSigned, objectOf } from '../webhooks/reading.js';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { isFromLinear, isInTime } from './signature.js';

/** What asks for work, or takes something back. The rest tells what goes on in issues, which is more by far. */
const PRESSING: ReadonlySet<unknown> = new Set([
  'AgentSessionEvent',
  'AppUserNotification',
  'OAuthApp',
  'PermissionChange',
]);

/** Where Linear tells what happened. Proven first, read then, stored, and answered: everything else is a job's. */
@Controller()
export class LinearWebhookController {
  constructor(
    private readonly secrets: WebhookSecrets,
    private readonly deliveries: Deliveries,
    private readonly world: World,
  ) {}

  @BindRoute(linearWebhookRoute)
  async receive(@Req() request: Request): Promise<Answer<typeof linearWebhookRoute>> {
    const secrets = await this.secrets.of('linear');
    if (secrets.length === 0) throw notSetUp('linear');
    const bytes = bytesOf(request);
    if (!isFromLinear(secrets, bytes, request.get('linear-signature'))) throw notSigned('linear');
    const deliveryId = nameIn(request, 'linear-delivery');
    const { text, body } = objectOf(bytes);
    const { webhookTimestamp, organizationId } = body;
    if (typeof webhookTimestamp !== 'number')
      throw new BerthError('bad-request', 'The delivery does not say in its signed body when it was sent.');
    const isLate = !isInTime(webhookTimestamp, this.world.clock.now());
    const linearOrganizationId = nameOf(organizationId);
    const received = await this.deliveries.receive({
      system: 'linear',
      // Its id is in no signed place: one old body under many ids must not become many rows.
      deliveryId: isLate ? `late-${createHash('sha256').update(bytes).digest('hex')}` : deliveryId,
      // The header says it too; this is the one that is signed.
      event: nameOf(body.type) ?? 'unknown',
      action: nameOf(body.action),
      tenantKey: linearOrganizationId === null ? null : { linearOrganizationId },
      body: text,
      isLate,
      isNews: !PRESSING.has(body.type),
    });
    return { received };
  }
}
