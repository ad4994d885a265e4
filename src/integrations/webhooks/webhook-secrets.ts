import type { ExternalSystem } from '../../contracts/index.js';
import type { Secret } from '../../kernel/index.js';

/** Reads what a system's deliveries are signed with: several while one takes another's place, none where the system is not set up. */
export type ReadSecrets = () => Secret[] | Promise<Secret[]>;

/** With what the deliveries of each system are signed. Each integration says where its own are kept. */
export class WebhookSecrets {
  readonly #reads = new Map<ExternalSystem, ReadSecrets>();

  from(system: ExternalSystem, read: ReadSecrets): void {
    this.#reads.set(system, read);
  }

  async of(system: ExternalSystem): Promise<Secret[]> {
    return (await this.#reads.get(system)?.()) ?? [];
  }
}
