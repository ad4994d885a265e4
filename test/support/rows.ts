import { systemIds } from '../../src/kernel/index.js';
import { asSuperuser } from './postgres.js';
import { withClient } from './tables.js';

/** A workspace as rows alone, for tests below the API. */
export interface WorkspaceRows {
  organizationId: string;
  ownerId: string;
  workspaceId: string;
}

/** Writes an organization, its owner and a running workspace as the owner of the database. `changes` are columns of the workspace. */
export function writeWorkspace(
  ownerUrl: string,
  changes: Record<string, unknown> = {},
): Promise<WorkspaceRows> {
  const [organizationId, ownerId, workspaceId] = [systemIds.next(), systemIds.next(), systemIds.next()];
  const at = new Date();
  const workspace = {
    id: workspaceId,
    organization_id: organizationId,
    owner_id: ownerId,
    name: 'app',
    repository: 'acme/app',
    source: { type: 'https', url: 'https://github.com/acme/app.git', path: 'github.com/acme/app.git' },
    branch: 'berth/x',
    agent: 'claude',
    model: 'm',
    state: 'running',
    desired_state: 'running',
    authentication: 'ok',
    origin: { type: 'api' },
    idle_timeout_minutes: 30,
    last_activity_at: at,
    state_changed_at: at,
    created_at: at,
    ...changes,
  };
  return withClient(ownerUrl, async (client) => {
    await client.query('INSERT INTO organization (id, slug, name, created_at) VALUES ($1, $2, $2, $3)', [
      organizationId,
      `o-${organizationId.slice(-8)}`,
      at,
    ]);
    await client.query('INSERT INTO "user" (id, email, name, created_at) VALUES ($1, $2, $2, $3)', [
      ownerId,
      `${ownerId}@example.com`,
      at,
    ]);
    await client.query(
      `INSERT INTO member (organization_id, user_id, role, created_at) VALUES ($1, $2, 'owner', $3)`,
      [organizationId, ownerId, at],
    );
    const columns = Object.keys(workspace);
    await client.query(
      `INSERT INTO workspace (${columns.join(', ')}) VALUES (${columns.map((_, n) => `$${n + 1}`).join(', ')})`,
      Object.values(workspace),
    );
    return { organizationId, ownerId, workspaceId };
  });
}

/** Writes running workspaces of a member, as the owner of the database; answers their ids. `hostId`: the host they are on; null, and a worker that looks takes them for its own. */
export function writeWorkspaces(
  ownerUrl: string,
  organizationId: string,
  ownerId: string,
  count: number,
  hostId: string | null = null,
): Promise<string[]> {
  const ids = Array.from({ length: count }, () => systemIds.next());
  return withClient(ownerUrl, async (client) => {
    await client.query(
      `INSERT INTO workspace (id, organization_id, owner_id, name, repository, source, branch, agent, model, state, desired_state, authentication, origin,
         idle_timeout_minutes, last_activity_at, state_changed_at, created_at, host_id)
       SELECT id, $2, $3, 'app', 'acme/app', '{"type":"https","url":"https://github.com/acme/app.git","path":"github.com/acme/app.git"}', 'berth/x', 'claude', 'm',
         'running', 'running', 'ok', '{"type":"api"}', 30, now(), now(), now(), $4 FROM unnest($1::uuid[]) AS id`,
      [ids, organizationId, ownerId, hostId],
    );
    return ids;
  });
}

/** How many sessions of a test's database wait for a lock that another holds. */
export async function waitingForLock({ ownerUrl }: { ownerUrl: string }): Promise<number> {
  const { rows } = await asSuperuser((client) =>
    client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'`,
      [new URL(ownerUrl).pathname.slice(1)],
    ),
  );
  return rows[0]?.n ?? 0;
}
