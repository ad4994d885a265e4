import { Controller } from '@nestjs/common';
import {
  createMappingRoute,
  deleteMappingRoute,
  listMappingsRoute,
  patchMappingRoute,
  putMappingRoute,
  showMappingRoute,
  type Answer,
  type MappingView,
} from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { CurrentActor, type Actor } from '../../identity/index.js';
import { Mappings } from './mappings.service.js';

@Controller()
export class MappingsController {
  constructor(private readonly mappings: Mappings) {}

  @BindRoute(listMappingsRoute)
  list(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listMappingsRoute>,
  ): Promise<Answer<typeof listMappingsRoute>> {
    return this.mappings.list(actor, query);
  }

  @BindRoute(createMappingRoute)
  create(
    @CurrentActor() actor: Actor,
    @Input() { body }: InputOf<typeof createMappingRoute>,
  ): Promise<MappingView> {
    return this.mappings.create(actor, body);
  }

  @BindRoute(showMappingRoute)
  show(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof showMappingRoute>,
  ): Promise<MappingView> {
    return this.mappings.show(actor, params.id);
  }

  @BindRoute(putMappingRoute)
  replace(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof putMappingRoute>,
  ): Promise<MappingView> {
    return this.mappings.replace(actor, params.id, body);
  }

  @BindRoute(patchMappingRoute)
  change(
    @CurrentActor() actor: Actor,
    @Input() { params, body }: InputOf<typeof patchMappingRoute>,
  ): Promise<MappingView> {
    return this.mappings.change(actor, params.id, body);
  }

  @BindRoute(deleteMappingRoute)
  remove(
    @CurrentActor() actor: Actor,
    @Input() { params }: InputOf<typeof deleteMappingRoute>,
  ): Promise<void> {
    return this.mappings.remove(actor, params.id);
  }
}
