import { Injectable } from '@nestjs/common';
import { JobHandlers } from '../../queue/index.js';
import { Renewer } from './renewer.js';

/** Renewal's part in processes that work. */
@Injectable()
export class RenewalJobs {
  constructor(renewer: Renewer, handlers: JobHandlers) {
    handlers.add('credential.renew', ({ organizationId, credentialId, workspaceId = null, generation }) =>
      renewer.renew(organizationId, { credentialId, workspaceId }, generation),
    );
  }
}
