import type { ExternalSystem } from '../../contracts/index.js';
import { SharedLooks, type Secret } from '../../kernel/index.js';

/** Reads what a system's deliveries are signed with: several while one takes another's place, none where the system is not set up. */
export type ReadSecrets = () => Secret[] | Promise<Secret[]>;

/** With what the deliveries of each system are signed. Each integration says where its own are kept; deliveries that come together share a look there. */
export class WebhookSecrets {
  readonly #looks = new SharedLooks<Secret[]>();
  readonly #reads = new Map<ExternalSystem, ReadSecrets>();

  from(system: ExternalSystem, read: ReadSecrets): void {
    this.#reads.set(system, read);
  }

  of(system: ExternalSystem): Promise<Secret[]> {
    return this.#looks.take(system, async () => (await this.#reads.get(system)?.()) ?? []);
  }
}
