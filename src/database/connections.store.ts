import type { PrismaClient } from './generated/client.js';

/** Where a way to another system and back, or a personal link, belongs. */
export interface ConnectionAddress {
  id: string;
  organizationId: string;
}

/** Ways to other systems and personal links, of all organizations: whose one is, nobody knows before it is looked up. Never what proves them. */
export class ConnectionsStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  attemptByState(stateHash: string): Promise<ConnectionAddress | null> {
    return this.#client.connectionAttempt.findUnique({
      where: { stateHash },
      select: { id: true, organizationId: true },
    });
  }

  linkByHash(hash: string): Promise<ConnectionAddress | null> {
    return this.#client.accountLink.findUnique({
      where: { hash },
      select: { id: true, organizationId: true },
    });
  }
}
