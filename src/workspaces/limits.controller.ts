import { Controller } from '@nestjs/common';
import { showLimitsRoute, updateLimitsRoute, type LimitsView } from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentActor, CurrentPerson, type Actor, type Person } from '../identity/index.js';
import { WorkspaceLimits } from './limits.service.js';

@Controller()
export class LimitsController {
  constructor(private readonly limits: WorkspaceLimits) {}

  @BindRoute(showLimitsRoute)
  show(@CurrentActor() actor: Actor): Promise<LimitsView> {
    return this.limits.show(actor);
  }

  @BindRoute(updateLimitsRoute)
  update(
    @CurrentPerson() person: Person,
    @Input() { params, body }: InputOf<typeof updateLimitsRoute>,
  ): Promise<LimitsView> {
    return this.limits.update(person, params.org, body);
  }
}
