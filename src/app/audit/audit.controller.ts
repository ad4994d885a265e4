import { once } from 'node:events';
import { Controller, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Audit } from '../../audit/index.js';
import {
  exportAuditRoute,
  exportInstanceAuditRoute,
  listAuditRoute,
  listInstanceAuditRoute,
  verifyAuditRoute,
  verifyInstanceAuditRoute,
  type Answer,
} from '../../contracts/index.js';
import { BindRoute, Input, whenGone, type InputOf } from '../../http/index.js';
import { CurrentActor, type Actor } from '../../identity/index.js';

/** The audit log of an organization, for its admins; and that of the instance, for who administers it. */
@Controller()
export class AuditController {
  constructor(private readonly audit: Audit) {}

  @BindRoute(listAuditRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listAuditRoute>,
  ): Promise<Answer<typeof listAuditRoute>> {
    return this.audit.list(actor.organizationId, query);
  }

  @BindRoute(verifyAuditRoute)
  verify(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof verifyAuditRoute>,
  ): Promise<Answer<typeof verifyAuditRoute>> {
    return this.audit.verify(actor.organizationId, query);
  }

  @BindRoute(exportAuditRoute)
  export(@CurrentActor() actor: Actor, @Res() response: Response): Promise<void> {
    return this.send(actor.organizationId, response);
  }

  @BindRoute(listInstanceAuditRoute)
  async listInstance(
    @Input() { query }: InputOf<typeof listInstanceAuditRoute>,
  ): Promise<Answer<typeof listInstanceAuditRoute>> {
    return this.audit.list(await this.audit.instanceChain(), query);
  }

  @BindRoute(verifyInstanceAuditRoute)
  async verifyInstance(
    @Input() { query }: InputOf<typeof verifyInstanceAuditRoute>,
  ): Promise<Answer<typeof verifyInstanceAuditRoute>> {
    return this.audit.verify(await this.audit.instanceChain(), query);
  }

  @BindRoute(exportInstanceAuditRoute)
  async exportInstance(@Res() response: Response): Promise<void> {
    return this.send(await this.audit.instanceChain(), response);
  }

  /** At the reader's pace, piece by piece. Its last line is the head: a file without one was cut short. */
  private async send(chain: string, response: Response): Promise<void> {
    const gone = whenGone(response);
    response.attachment(`berth-audit-${chain}.jsonl`).type('application/jsonl');
    for await (const lines of this.audit.export(chain)) {
      if (gone.signal.aborted) return;
      if (!response.write(lines))
        await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
    }
    response.end();
  }
}
