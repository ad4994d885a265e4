import { Inject, Injectable } from '@nestjs/common';
import { credentialOfTopic, WorkspaceFeed } from '../events/index.js';
import type { Runtime } from '../runtime/index.js';
import { RUNTIME } from './runtime-token.js';

/** Tells the workspaces of this host at once when a credential changed, so that none goes on with a lease of what is over. A notice that is lost costs the seconds that a lease lasts. */
@Injectable()
export class LeaseRecall {
  constructor(feed: WorkspaceFeed, @Inject(RUNTIME) runtime: Runtime) {
    feed.onEvery((topic) => {
      const credentialId = credentialOfTopic(topic);
      if (credentialId) runtime.forget(credentialId);
    });
  }
}
