import { Controller } from '@nestjs/common';
import { rotateKeysRoute, showKeysRoute, type KeysView } from '../contracts/index.js';
import { BindRoute } from '../http/index.js';
import { CurrentPerson, type Person } from '../identity/index.js';
import { KeyRotation } from './key-rotation.service.js';

/** The encryption keys, for who administers this Berth. */
@Controller()
export class KeysController {
  constructor(private readonly rotation: KeyRotation) {}

  @BindRoute(showKeysRoute)
  show(): Promise<KeysView> {
    return this.rotation.show();
  }

  @BindRoute(rotateKeysRoute)
  rotate(@CurrentPerson() person: Person): Promise<KeysView> {
    return this.rotation.begin(person);
  }
}
