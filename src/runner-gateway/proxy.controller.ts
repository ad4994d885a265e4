import { Controller } from '@nestjs/common';
import {
  proxyEgressRoute,
  proxyLeaseRoute,
  proxyReportRoute,
  proxyWithdrawnRoute,
  type Answer,
  type Lease,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentMachine, type Machine } from '../identity/index.js';
import { LeasesService } from './leases.service.js';

@Controller()
export class ProxyController {
  constructor(private readonly leases: LeasesService) {}

  @BindRoute(proxyLeaseRoute)
  lease(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof proxyLeaseRoute>,
  ): Promise<Lease> {
    return this.leases.lease(machine, body.upstream);
  }

  @BindRoute(proxyReportRoute)
  report(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof proxyReportRoute>,
  ): Promise<void> {
    return this.leases.report(machine, body.items);
  }

  @BindRoute(proxyWithdrawnRoute)
  async withdrawn(
    @CurrentMachine() machine: Machine,
    @Input() { body }: InputOf<typeof proxyWithdrawnRoute>,
  ): Promise<Answer<typeof proxyWithdrawnRoute>> {
    return { credentialIds: await this.leases.withdrawn(machine, body.credentialIds) };
  }

  @BindRoute(proxyEgressRoute)
  async egress(
    @CurrentMachine() machine: Machine,
    // Asked for, so that a body with anything in it is refused.
    @Input() _nothing: InputOf<typeof proxyEgressRoute>,
  ): Promise<Answer<typeof proxyEgressRoute>> {
    return { allowedHosts: await this.leases.allowedHosts(machine) };
  }
}
