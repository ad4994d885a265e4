import { Controller } from '@nestjs/common';
import { setEgressPolicyRoute, showEgressPolicyRoute, type EgressPolicyView } from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { EgressPolicy } from './egress.service.js';

@Controller()
export class EgressController {
  constructor(private readonly egress: EgressPolicy) {}

  @BindRoute(showEgressPolicyRoute)
  show(@CurrentActor() actor: Actor): Promise<EgressPolicyView> {
    return this.egress.show(actor);
  }

  @BindRoute(setEgressPolicyRoute)
  set(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof setEgressPolicyRoute>,
  ): Promise<EgressPolicyView> {
    return this.egress.set(actor, body);
  }
}
