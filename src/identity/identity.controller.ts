import { Controller } from '@nestjs/common';
import {
  createApiKeyRoute,
  createOrganizationRoute,
  deleteApiKeyRoute,
  listApiKeysRoute,
  listMembersRoute,
  meRoute,
  patchPreferencesRoute,
  setupRoute,
  showOrganizationRoute,
  showPreferencesRoute,
  type Answer,
} from '../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../http/index.js';
import type { Actor, Person } from './actor.js';
import { IdentityService } from './identity.service.js';
import { Preferences } from './preferences.service.js';
import { CurrentActor, CurrentPerson } from './request.js';

@Controller()
export class IdentityController {
  constructor(
    private readonly identity: IdentityService,
    private readonly preferences: Preferences,
  ) {}

  @BindRoute(setupRoute)
  setUp(@Input() { body }: InputOf<typeof setupRoute>): Promise<Answer<typeof setupRoute>> {
    return this.identity.setUp(body);
  }

  @BindRoute(meRoute)
  me(@CurrentPerson() person: Person): Promise<Answer<typeof meRoute>> {
    return this.identity.me(person);
  }

  @BindRoute(createOrganizationRoute)
  createOrganization(
    @CurrentPerson() person: Person,
    @Input() { body }: InputOf<typeof createOrganizationRoute>,
  ): Promise<Answer<typeof createOrganizationRoute>> {
    return this.identity.createOrganization(person, body);
  }

  @BindRoute(showOrganizationRoute)
  organization(@CurrentActor() actor: Actor): Promise<Answer<typeof showOrganizationRoute>> {
    return this.identity.organization(actor);
  }

  @BindRoute(showPreferencesRoute)
  showPreferences(@CurrentActor() actor: Actor): Promise<Answer<typeof showPreferencesRoute>> {
    return this.preferences.show(actor);
  }

  @BindRoute(patchPreferencesRoute)
  patchPreferences(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof patchPreferencesRoute>,
  ): Promise<Answer<typeof patchPreferencesRoute>> {
    return this.preferences.change(actor, body);
  }

  @BindRoute(listMembersRoute)
  members(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listMembersRoute>,
  ): Promise<Answer<typeof listMembersRoute>> {
    return this.identity.listMembers(actor, query);
  }

  @BindRoute(listApiKeysRoute)
  apiKeys(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listApiKeysRoute>,
  ): Promise<Answer<typeof listApiKeysRoute>> {
    return this.identity.listApiKeys(actor, query);
  }

  @BindRoute(createApiKeyRoute)
  createApiKey(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof createApiKeyRoute>,
  ): Promise<Answer<typeof createApiKeyRoute>> {
    return this.identity.createApiKey(actor, body);
  }

  @BindRoute(deleteApiKeyRoute)
  deleteApiKey(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteApiKeyRoute>,
  ): Promise<void> {
    return this.identity.deleteApiKey(actor, params.id);
  }
}
