import { Controller } from '@nestjs/common';
import {
  deleteCredentialRoute,
  listCredentialsRoute,
  putCredentialRoute,
  resolutionRoute,
  type Answer,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { CredentialsService } from './credentials.service.js';

@Controller()
export class CredentialsController {
  constructor(private readonly credentials: CredentialsService) {}

  // Before the routes with {scope}/{kind}, which it must not be taken for.
  @BindRoute(resolutionRoute)
  explain(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof resolutionRoute>,
  ): Promise<Answer<typeof resolutionRoute>> {
    return this.credentials.explain(actor, query.agent, query.userId);
  }

  @BindRoute(listCredentialsRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listCredentialsRoute>,
  ): Promise<Answer<typeof listCredentialsRoute>> {
    return this.credentials.list(actor, query);
  }

  @BindRoute(putCredentialRoute)
  set(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof putCredentialRoute>,
  ): Promise<Answer<typeof putCredentialRoute>> {
    return this.credentials.set(actor, params.scope, params.kind, body);
  }

  @BindRoute(deleteCredentialRoute)
  remove(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteCredentialRoute>,
  ): Promise<void> {
    return this.credentials.remove(actor, params.scope, params.kind);
  }
}
