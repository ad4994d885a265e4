import { createHash } from 'node:crypto';
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import { linearWebhookRoute, type Answer } from '../../contracts/index.js';
import { BindRoute } from '../../http/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { Deliveries } from '../../triggers/index.js';
import { bytesOf, nameIn, nameOf, notSetUp, notSigned, objectOf } from '../webhooks/reading.js';
import { WebhookSecrets } from '../webhooks/webhook-secrets.js';
import { newsOf } from './heard.js';
import { isFromLinear, isInTime } from './signature.js';

/** Where Linear tells what happened. Proven first, read then, stored, and answered: whatever is more than news is a job's. */
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
    // The header says it too; this is the one that is signed.
    const event = nameOf(body.type) ?? 'unknown';
    const action = nameOf(body.action);
    const received = await this.deliveries.receive({
      system: 'linear',
      // Its id is in no signed place: one old body under many ids must not become many rows.
      deliveryId: isLate ? `late-${createHash('sha256').update(bytes).digest('hex')}` : deliveryId,
      event,
      action,
      tenantKey: linearOrganizationId === null ? null : { linearOrganizationId },
      body: text,
      isLate,
      outcome: newsOf(event, action, body),
    });
    return { received };
  }
}
