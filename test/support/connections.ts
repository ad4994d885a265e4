import type { Client } from 'pg';
import { systemIds } from '../../src/kernel/index.js';
import { withClient } from './tables.js';

/** Ties an organization to a Linear organization; written directly, with a token that opens nothing. One that is tied already is tied to that one. */
export function tieLinear(
  ownerUrl: string,
  organizationId: string,
  linearOrganizationId: string,
): Promise<void> {
  return withClient(ownerUrl, async (client) => {
    const credential = await addCredential(client, organizationId, 'linear_app', 'organization');
    await client.query(
      `INSERT INTO linear_connection (organization_id, linear_organization_id, name, url_key, app_user_id, app_user_name, credential_id, scopes, created_at, updated_at)
       VALUES ($1, $2, 'Acme', 'acme', 'app-user', 'berth', $3, '{}', now(), now())
       ON CONFLICT (organization_id) DO UPDATE SET linear_organization_id = $2`,
      [organizationId, linearOrganizationId, credential],
    );
  });
}

/** The same for an installation of the GitHub App. */
export function tieGithub(ownerUrl: string, organizationId: string, installationId: string): Promise<void> {
  return withClient(ownerUrl, async (client) => {
    const subject = `installation/${installationId}`;
    const credential = await addCredential(client, organizationId, 'github_installation', subject);
    await client.query(
      `INSERT INTO github_installation (organization_id, installation_id, credential_id, account_id, account_login, account_type, selection, permissions, created_at, updated_at)
       VALUES ($1, $2, $3, '1', 'acme', 'Organization', 'all', '{}', now(), now())`,
      [organizationId, installationId, credential],
    );
  });
}

async function addCredential(
  client: Client,
  organizationId: string,
  kind: string,
  subject: string,
): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO credential (id, organization_id, scope, subject, kind, sealed, settings, key_id, generation, hint, status, connected_at, created_at, updated_at)
     VALUES ($1, $2, 'organization', $4, $3, 'x', '{}', 'test-key', 1, 'x', 'active', now(), now(), now())
     ON CONFLICT (organization_id, subject, kind) DO UPDATE SET sealed = 'x' RETURNING id`,
    [systemIds.next(), organizationId, kind, subject],
  );
  return rows[0]?.id ?? '';
}

/** Makes an account at a system a member's; written directly. */
export function tieAccount(
  ownerUrl: string,
  { organizationId, userId }: { organizationId: string; userId: string },
  { system = 'linear', externalId = systemIds.next() }: { system?: string; externalId?: string } = {},
): Promise<void> {
  return withClient(ownerUrl, async (client) => {
    await client.query(
      `INSERT INTO external_account (id, organization_id, user_id, system, external_id, proof, created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, 'authorization', now(), now())`,
      [systemIds.next(), organizationId, userId, system, externalId],
    );
  });
}
