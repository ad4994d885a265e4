import { randomBytes } from 'node:crypto';
import type { Lease, Role } from '../../../src/contracts/index.js';
import { hashToken, newApiKey } from '../../../src/identity/api-key.js';
import { systemIds } from '../../../src/kernel/index.js';
import type { AnthropicEmulator } from '../../emulators/anthropic.js';
import { Api } from '../../support/api.js';
import type { LoginGround } from '../../support/login-ground.js';
import { TestProxy } from '../../support/machines.js';
import { writeWorkspaces } from '../../support/rows.js';
import { withClient } from '../../support/tables.js';

/** A Berth of several processes, or of several in one, whose Claude logins come from one emulated provider. */
export interface CrowdPlace {
  /** Of each api. */
  urls: string[];
  ownerUrl: string;
  claude: AnthropicEmulator;
  organization: { id: string; slug: string };
  /** The name under which it vouches for its workspaces. */
  issuer: string;
}

/** What one workspace's proxy was answered, and after how long. */
export interface Asked {
  /** Of which of the crowd's logins. */
  login: number;
  milliseconds: number;
  status: number;
  /** Null when there was none. */
  lease: Lease | null;
  retryAfter: string | null;
}

/** A member, written as rows. */
export interface RowMember {
  userId: string;
  api: Api;
}

/** With a login of their own. */
interface Person extends RowMember {
  /** At the provider. */
  lineage: string;
  credentialId: string;
}

/** A running workspace that only is a row, and the proxy that it would have. */
export interface RowWorkspace {
  id: string;
  proxy: TestProxy;
}

interface Member {
  proxy: TestProxy;
  login: number;
}

/** As a cluster's crowd sees two Berths in this process. */
export function placeOfGround({ apps, claude, organization }: LoginGround): CrowdPlace {
  const urls = apps.map(({ url }) => url);
  return { urls, ownerUrl: apps[0].database.ownerUrl, claude, organization, issuer: apps[0].url };
}

/**
 * Running workspaces that only are rows, each with the token of a proxy of its own, and the members whose logins serve them. Each asks one of the apis over HTTP, as its proxy would. They belong to
 * a host of their own that nobody's worker looks after.
 */
export class Crowd {
  private constructor(
    readonly place: CrowdPlace,
    readonly persons: Person[],
    private readonly members: Member[],
  ) {}

  /** `workspaces` of them, spread evenly over `logins` members. */
  static async gather(place: CrowdPlace, workspaces: number, logins: number): Promise<Crowd> {
    const persons = await Promise.all(Array.from({ length: logins }, () => newPerson(place)));
    const each = Math.floor(workspaces / logins);
    const of = await Promise.all(
      persons.map(async ({ userId }, login) =>
        (await rowWorkspaces(place, userId, each)).map(({ proxy }) => ({ proxy, login })),
      ),
    );
    return new Crowd(place, persons, of.flat());
  }

  get size(): number {
    return this.members.length;
  }

  /** All at once. */
  leases(): Promise<Asked[]> {
    return Promise.all(this.members.map((_, n) => this.lease(n)));
  }

  async lease(n: number): Promise<Asked> {
    const { proxy, login } = this.#member(n);
    const begun = performance.now();
    const answer = await proxy.tryLease().catch(() => null);
    return {
      login,
      milliseconds: performance.now() - begun,
      status: answer?.status ?? 0,
      lease: answer?.status === 200 ? answer.body : null,
      retryAfter: answer?.headers.get('retry-after') ?? null,
    };
  }

  /** Each says that the provider refused what it was given; all at once. How many were not heard. */
  async refuse(given: Asked[]): Promise<number> {
    const told = await Promise.allSettled(
      given.map(async ({ lease }, n) => {
        const { proxy } = this.#member(n);
        if (lease) await proxy.report(proxy.refused(lease));
      }),
    );
    return told.filter(({ status }) => status === 'rejected').length;
  }

  /** Their tokens run out now, for Berth; the provider still takes them. */
  async runOut(): Promise<void> {
    const ids = this.persons.map(({ credentialId }) => credentialId);
    await withClient(this.place.ownerUrl, (client) =>
      client.query(
        `UPDATE credential SET expires_at = now(), renew_at = now() - interval '1 minute' WHERE id = ANY ($1)`,
        [ids],
      ),
    );
  }

  /** How often the provider renewed each login, by its own book. */
  get renewals(): number[] {
    const { calls } = this.place.claude.logins;
    return this.persons.map(
      ({ lineage }) => calls.filter((call) => call.lineage === lineage && call.outcome === 'renewed').length,
    );
  }

  /** How often a refresh token was used that had served before, or whose login had ended. */
  get misused(): number {
    const { logins } = this.place.claude;
    return logins.count('reused') + logins.count('ended') + logins.count('unknown');
  }

  /** True when the provider takes this token now. */
  isHonored({ secret }: Lease): boolean {
    return 'token' in secret && this.place.claude.logins.book.stateOf(secret.token)?.state === 'living';
  }

  #member(n: number): Member {
    const member = this.members[n];
    if (!member) throw new Error(`There is no workspace ${n} in the crowd.`);
    return member;
  }
}

/** Connects a member's login anew; answers its name in the provider's book. */
export async function connect(
  { claude }: CrowdPlace,
  api: Api,
): Promise<{ lineage: string; credentialId: string }> {
  const { accessToken, refreshToken, expiresAt, lineage } = claude.logins.issue();
  const body = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
  const path = api.path('/credentials/user/claude_oauth');
  return { lineage, credentialId: (await api.call<{ id: string }>('PUT', path, body, 200)).body.id };
}

async function newPerson(place: CrowdPlace): Promise<Person> {
  const member = await rowMember(place);
  return { ...member, ...(await connect(place, member.api)) };
}

/** A further person in the organization. */
export async function rowMember(place: CrowdPlace, role: Role = 'member'): Promise<RowMember> {
  const { id: organizationId, slug } = place.organization;
  const [userId, keyId] = [systemIds.next(), systemIds.next()];
  const { text, prefix, hash } = newApiKey(randomBytes);
  await withClient(place.ownerUrl, async (client) => {
    await client.query(`INSERT INTO "user" (id, email, name, created_at) VALUES ($1, $2, $2, now())`, [
      userId,
      `${userId}@example.com`,
    ]);
    await client.query(
      `INSERT INTO member (organization_id, user_id, role, created_at) VALUES ($1, $2, $3, now())`,
      [organizationId, userId, role],
    );
    await client.query(
      `INSERT INTO api_key (id, organization_id, user_id, name, prefix, hash, created_at) VALUES ($1, $2, $3, 'key of the crowd', $4, $5, now())`,
      [keyId, organizationId, userId, prefix, hash],
    );
  });
  return { userId, api: new Api(place.urls[0] ?? '', text, slug) };
}

/** New ones of a member, each at the next of the apis. Their host is nobody's and seen far in the future, so that no worker looks after them and none takes them for lost. */
export async function rowWorkspaces(
  { ownerUrl, organization, urls }: Pick<CrowdPlace, 'ownerUrl' | 'urls'> & { organization: { id: string } },
  userId: string,
  count: number,
): Promise<RowWorkspace[]> {
  const hostId = systemIds.next();
  await withClient(ownerUrl, (client) =>
    client.query(
      `INSERT INTO host (id, name, version, started_at, seen_at) VALUES ($1, 'nobody', 'test', now(), now() + interval '1 day')`,
      [hostId],
    ),
  );
  // With their host from the beginning: a sweep between the two would take some for its own.
  const ids = await writeWorkspaces(ownerUrl, organization.id, userId, count, hostId);
  const tokens = ids.map(() => randomBytes(32).toString('base64url'));
  await withClient(ownerUrl, (client) =>
    client.query(
      `INSERT INTO machine_token (hash, organization_id, workspace_id, identity, created_at)
       SELECT hash, $3, id, 'proxy', now() FROM unnest($1::text[], $2::uuid[]) AS new (hash, id)`,
      [tokens.map(hashToken), ids, organization.id],
    ),
  );
  return ids.map((id, n) => ({
    id,
    proxy: new TestProxy({ url: urls[n % urls.length] ?? '' }, tokens[n] ?? ''),
  }));
}
