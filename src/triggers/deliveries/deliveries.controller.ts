import { Controller } from '@nestjs/common';
import { listDeliveriesRoute, type Answer } from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { CurrentActor, type Actor } from '../../identity/index.js';
import { Deliveries } from './deliveries.service.js';

@Controller()
export class DeliveriesController {
  constructor(private readonly deliveries: Deliveries) {}

  @BindRoute(listDeliveriesRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listDeliveriesRoute>,
  ): Promise<Answer<typeof listDeliveriesRoute>> {
    return this.deliveries.list(actor, query);
  }
}
