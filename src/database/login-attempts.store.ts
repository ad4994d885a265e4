import type { PrismaClient } from './generated/client.js';

/** Attempts to connect logins, of all organizations, by their ids and times; never what proves them. */
export class LoginAttemptsStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Those whose next look at the provider is overdue since `lostBefore`, whose time was over at `overBefore`, or of which nothing need be seen after `keptBefore`. */
  due(
    { lostBefore, overBefore, keptBefore }: { lostBefore: Date; overBefore: Date; keptBefore: Date },
    take: number,
  ): Promise<{ id: string; organizationId: string }[]> {
    return this.#client.loginAttempt.findMany({
      where: {
        OR: [
          { state: 'pending', pollAt: { lte: lostBefore } },
          { state: { in: ['pending', 'exchanging'] }, expiresAt: { lte: overBefore } },
          { expiresAt: { lte: keptBefore } },
        ],
      },
      select: { id: true, organizationId: true },
      take,
    });
  }
}
