import { Controller } from '@nestjs/common';
import {
  deleteCredentialRoute,
  listCredentialsRoute,
  listRotationsRoute,
  putCredentialRoute,
  resolutionRoute,
  rotateCredentialRoute,
  setCredentialPolicyRoute,
  showCredentialPolicyRoute,
  showCredentialRoute,
  type Answer,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import { CurrentActor, type Actor } from '../identity/index.js';
import { CredentialCare } from './care.service.js';
import { CredentialsService } from './credentials.service.js';
import { noticeFor } from './logins/terms.js';

@Controller()
export class CredentialsController {
  constructor(
    private readonly credentials: CredentialsService,
    private readonly care: CredentialCare,
  ) {}

  // Before the routes with {scope}/{kind}, which it must not be taken for.
  @BindRoute(resolutionRoute)
  explain(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof resolutionRoute>,
  ): Promise<Answer<typeof resolutionRoute>> {
    return this.credentials.explain(actor, query.agent, query.userId, query.provider);
  }

  @BindRoute(listCredentialsRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listCredentialsRoute>,
  ): Promise<Answer<typeof listCredentialsRoute>> {
    return this.credentials.list(actor, query);
  }

  @BindRoute(showCredentialRoute)
  show(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof showCredentialRoute>,
  ): Promise<Answer<typeof showCredentialRoute>> {
    return this.care.show(actor, params.scope, params.kind);
  }

  @BindRoute(listRotationsRoute)
  rotations(
    @CurrentActor() actor: Actor,
    @Input() { params, query }: InputOf<typeof listRotationsRoute>,
  ): Promise<Answer<typeof listRotationsRoute>> {
    return this.care.rotations(actor, params.scope, params.kind, query);
  }

  @BindRoute(rotateCredentialRoute)
  rotate(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof rotateCredentialRoute>,
  ): Promise<Answer<typeof rotateCredentialRoute>> {
    return this.care.rotate(actor, params.scope, params.kind);
  }

  @BindRoute(showCredentialPolicyRoute)
  showPolicy(@CurrentActor() actor: Actor): Promise<Answer<typeof showCredentialPolicyRoute>> {
    return this.care.showPolicy(actor);
  }

  @BindRoute(setCredentialPolicyRoute)
  setPolicy(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof setCredentialPolicyRoute>,
  ): Promise<Answer<typeof setCredentialPolicyRoute>> {
    return this.care.setPolicy(actor, body);
  }

  @BindRoute(putCredentialRoute)
  async set(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof putCredentialRoute>,
  ): Promise<Answer<typeof putCredentialRoute>> {
    const { scope, kind } = params;
    return { ...(await this.credentials.set(actor, scope, kind, body)), notice: noticeFor(kind, scope) };
  }

  @BindRoute(deleteCredentialRoute)
  remove(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteCredentialRoute>,
  ): Promise<void> {
    return this.credentials.remove(actor, params.scope, params.kind);
  }
}
