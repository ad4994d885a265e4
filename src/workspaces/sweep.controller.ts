import { Controller } from '@nestjs/common';
import { sweepRoute, type SweepView } from '../contracts/index.js';
import { BindRoute } from '../http/index.js';
import { SweepReport } from './sweep-report.js';

/** The sweep's dry run, for who administers the instance. */
@Controller()
export class SweepController {
  constructor(private readonly sweep: SweepReport) {}

  @BindRoute(sweepRoute)
  show(): Promise<SweepView> {
    return this.sweep.report();
  }
}
