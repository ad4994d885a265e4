import { Controller } from '@nestjs/common';
import {
  beginAuthorizationRoute,
  completeAuthorizationRoute,
  showAuthorizationRoute,
  type Answer,
} from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { CurrentActor, type Actor } from '../../identity/index.js';
import { LoginsService } from './logins.service.js';

@Controller()
export class LoginsController {
  constructor(private readonly logins: LoginsService) {}

  @BindRoute(beginAuthorizationRoute)
  begin(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof beginAuthorizationRoute>,
  ): Promise<Answer<typeof beginAuthorizationRoute>> {
    return this.logins.begin(actor, params.scope, params.kind);
  }

  @BindRoute(showAuthorizationRoute)
  show(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof showAuthorizationRoute>,
  ): Promise<Answer<typeof showAuthorizationRoute>> {
    return this.logins.show(actor, params.scope, params.kind);
  }

  @BindRoute(completeAuthorizationRoute)
  complete(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof completeAuthorizationRoute>,
  ): Promise<Answer<typeof completeAuthorizationRoute>> {
    return this.logins.complete(actor, params.scope, params.kind, body.code);
  }
}
