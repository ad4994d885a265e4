import type { PrismaClient } from './generated/client.js';

/** A token that somebody should look at, by its ids alone. */
export interface RenewalRow {
  organizationId: string;
  credentialId: string;
  /** The workspace whose token it is; null: the credential's own. */
  workspaceId: string | null;
  generation: number;
}

/** A login that ends soon, by its ids alone. */
export type EndingRow = Pick<RenewalRow, 'organizationId' | 'credentialId'>;

/** Where a look at due tokens goes on. */
export interface RenewalCursor {
  credentialId: string;
  workspaceId: string | null;
}

const NIL_ID = '00000000-0000-0000-0000-000000000000';

/** Tokens of all organizations that are due, as the sweep finds them. Each look is over an index that holds those alone, so that it costs nothing how many credentials there are. */
export class RenewalsStore {
  readonly #client: PrismaClient;

  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Logins that are due, in pages by id. */
  dueLogins(now: Date, after: RenewalCursor | null, limit: number): Promise<RenewalRow[]> {
    // In the words of the index credential_due.
    return this.#client.$queryRaw<RenewalRow[]>`
      select organization_id as "organizationId", id as "credentialId", null::uuid as "workspaceId", generation
        from credential
       where renew_at is not null and status <> 'rejected' and renew_at <= ${now}
         and (retry_at is null or retry_at <= ${now}) and id > ${after?.credentialId ?? NIL_ID}::uuid
       order by id limit ${limit}`;
  }

  /** Workspaces' own tokens that are due. */
  dueMinted(now: Date, after: RenewalCursor | null, limit: number): Promise<RenewalRow[]> {
    return this.#client.$queryRaw<RenewalRow[]>`
      select organization_id as "organizationId", credential_id as "credentialId", workspace_id as "workspaceId", generation
        from minted_token
       where renew_at is not null and renew_at <= ${now} and (retry_at is null or retry_at <= ${now})
         and (credential_id, workspace_id) > (${after?.credentialId ?? NIL_ID}::uuid, ${after?.workspaceId ?? NIL_ID}::uuid)
       order by credential_id, workspace_id limit ${limit}`;
  }

  /** Logins that their provider ends soon, and of which people are still to be told. In the words of the index credential_warn. */
  endingLogins(now: Date, afterId: string | null, limit: number): Promise<EndingRow[]> {
    return this.#client.$queryRaw<EndingRow[]>`
      select organization_id as "organizationId", id as "credentialId"
        from credential
       where warn_at is not null and status <> 'rejected' and warn_at <= ${now} and id > ${afterId ?? NIL_ID}::uuid
       order by id limit ${limit}`;
  }

  /** Renewals under way whose process was not heard of for so long. Few. */
  stale(seconds: number): Promise<RenewalRow[]> {
    return this.#client.$queryRaw<RenewalRow[]>`
      select organization_id as "organizationId", credential_id as "credentialId", workspace_id as "workspaceId", generation
        from credential_rotation
       where state = 'open' and heartbeat_at < clock_timestamp() - make_interval(secs => ${seconds})`;
  }
}
