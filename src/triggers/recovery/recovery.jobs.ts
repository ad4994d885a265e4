import { Injectable } from '@nestjs/common';
import { JobHandlers, JobQueue } from '../../queue/index.js';
import { Sweep } from '../../workspaces/index.js';
import { Recoveries } from './recoveries.service.js';

/** What was missed is delivered again so soon, in a Berth that is up. */
const RHYTHM_SECONDS = 120;

/** Recovery's part in processes that work: a round at each rhythm, whichever of them keeps it. */
@Injectable()
export class RecoveryJobs {
  constructor(recoveries: Recoveries, handlers: JobHandlers, queue: JobQueue, sweep: Sweep) {
    handlers.add('deliveries.recover', (_, signal) => recoveries.run(signal));
    sweep.also(() => queue.add('deliveries.recover', {}, { onceInSeconds: RHYTHM_SECONDS }));
  }
}
