import type { PrismaClient } from './generated/client.js';

/** A host as others see it. How long ago it was seen is reckoned by the database's clock alone: those of two machines may differ. */
export interface SeenHost {
  id: string;
  name: string;
  unseenSeconds: number;
}

/** What a worker reads and writes about hosts, of all organizations. That a host is there and seen is written by its own worker (host-lock.ts). */
export class HostsStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  all(): Promise<SeenHost[]> {
    return this.#client.$queryRaw<SeenHost[]>`
      select id, name, extract(epoch from clock_timestamp() - seen_at)::float8 as "unseenSeconds" from host`;
  }

  /** Null when the workspace has none yet, or is gone. */
  async ofWorkspace(workspaceId: string): Promise<SeenHost | null> {
    const rows = await this.#client.$queryRaw<SeenHost[]>`
      select host.id, host.name, extract(epoch from clock_timestamp() - seen_at)::float8 as "unseenSeconds"
        from workspace join host on host.id = workspace.host_id where workspace.id = ${workspaceId}::uuid`;
    return rows[0] ?? null;
  }

  /** Takes workspaces whose files are on this host and which no host has: those from before there were hosts. Answers how many. */
  async adopt(hostId: string, workspaceIds: string[]): Promise<number> {
    if (workspaceIds.length === 0) return 0;
    // One parameter: a host may have more folders than a query may have parameters.
    return this.#client.$executeRaw`
      update workspace set host_id = ${hostId}::uuid where id = any(${workspaceIds}::uuid[]) and host_id is null`;
  }
}
