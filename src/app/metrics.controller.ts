import { Controller, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { metricsRoute } from '../contracts/index.js';
import { SystemStore } from '../database/index.js';
import { BindRoute } from '../http/index.js';
import { PrometheusMetrics } from '../telemetry/index.js';

/** The numbers of this process, for Prometheus. Open as the probes are, and without a name of anybody in them; docs/security.md says to keep it inside. */
@Controller()
export class MetricsController {
  constructor(
    private readonly metrics: PrometheusMetrics,
    @Inject(SystemStore) system: SystemStore,
  ) {
    metrics.watch('berth_workspaces', async () =>
      (await system.countWorkspaces()).map(({ state, count }) => ({ labels: { state }, value: count })),
    );
  }

  @BindRoute(metricsRoute)
  async read(@Res() response: Response): Promise<void> {
    response.setHeader('content-type', this.metrics.contentType);
    response.end(await this.metrics.text());
  }
}
