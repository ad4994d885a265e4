import { CredentialsService } from '../../src/credentials/index.js';
import { hintOf } from '../../src/kernel/index.js';
import type { LinearEmulator } from '../emulators/linear.js';
import type { LinearOrganization } from '../emulators/linear-world.js';
import type { TestApp, TestOrganization } from './app.js';
import { withClient } from './tables.js';

const SCOPES = ['read', 'write', 'app:assignable', 'app:mentionable'];

/** Ties an organization to an emulated Linear organization, with a living login, as though an admin had connected them. Resolves to the login's tokens. */
export async function connectLinear(
  { app, database }: TestApp,
  { id: organizationId, owner }: TestOrganization,
  linear: LinearEmulator,
  { id, urlKey, appUser }: LinearOrganization,
): Promise<{ accessToken: string; refreshToken: string }> {
  const grant = { organizationId: id, userId: appUser.id, actor: 'app' as const, scopes: SCOPES };
  const { accessToken, refreshToken, expiresAt } = linear.logins.install(grant);
  const parsed = {
    secret: { accessToken, refreshToken },
    hint: hintOf(accessToken),
    settings: {},
    expiresAt,
  };
  const actor = {
    organizationId,
    userId: owner.userId,
    name: owner.name,
    role: 'owner',
    via: { type: 'session' },
  };
  const place = { scope: 'organization', userId: null, kind: 'linear_app' } as const;
  const credential = await app
    .get(CredentialsService, { strict: false })
    .connect(actor as never, place, parsed, () => Promise.resolve());
  await withClient(database.ownerUrl, (client) =>
    client.query(
      `INSERT INTO linear_connection (organization_id, linear_organization_id, name, url_key, app_user_id, app_user_name, credential_id, scopes, created_at, updated_at)
       VALUES ($1, $2, $3, $3, $4, $5, $6, $7, now(), now()) ON CONFLICT DO NOTHING`,
      [organizationId, id, urlKey, appUser.id, appUser.name, credential.id, SCOPES],
    ),
  );
  return { accessToken, refreshToken };
}
