import { Injectable } from '@nestjs/common';
import { externalSystemNames, type ExternalSystem } from '../../contracts/index.js';
import type { ExternalPerson } from '../../identity/index.js';
import { BerthError } from '../../kernel/index.js';

/** How somebody proves who they are at another system. Each integration has its own. */
export interface AccountSystem {
  /** Where they are asked. Throws `not-connected` where Berth is not known there. */
  authorizationUrl(state: string, verifier: string): Promise<string>;
  /** Who came back with this code. What it was exchanged for is kept nowhere, and ended. Throws `login-refused`, and for an account that is of another place than the organization's. */
  identify(organizationId: string, code: string, verifier: string): Promise<ExternalPerson>;
}

@Injectable()
export class AccountSystems {
  readonly #systems = new Map<ExternalSystem, AccountSystem>();

  at(system: ExternalSystem, ways: AccountSystem): void {
    this.#systems.set(system, ways);
  }

  of(system: ExternalSystem): AccountSystem {
    const found = this.#systems.get(system);
    if (found) return found;
    throw new BerthError('not-connected', `This Berth does not work with ${externalSystemNames[system]}.`);
  }
}
