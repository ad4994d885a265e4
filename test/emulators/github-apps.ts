import { randomBytes } from 'node:crypto';
import { appOf, permits } from './github-access.js';
import {
  GithubRefusal,
  notFound,
  numberOf,
  page,
  route,
  type GithubCall,
  type GithubRoute,
} from './github-call.js';
import type { GithubTokens } from './github-tokens.js';
import { appView, installationView, repositoryView } from './github-views.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubPermissions,
  GithubRepository,
  GithubWorld,
} from './github-world.js';

const NARROWED_TO_AT_MOST = 500;

/** Apps that a manifest made and whose code was not exchanged yet. */
export class GithubConversions {
  readonly #apps = new Map<string, GithubApp>();

  /** A code that serves once. */
  codeFor(app: GithubApp): string {
    const code = randomBytes(20).toString('hex');
    this.#apps.set(code, app);
    return code;
  }

  take(code: string): GithubApp | undefined {
    const app = this.#apps.get(code);
    this.#apps.delete(code);
    return app;
  }
}

/** The calls about an App and its installations. */
export function appRoutes(
  world: GithubWorld,
  tokens: GithubTokens,
  conversions: GithubConversions,
): GithubRoute[] {
  const mine = (call: GithubCall): GithubInstallation => {
    const installation = world.installations.get(numberOf(call, 'id'));
    if (installation?.app.id !== appOf(call).id) throw notFound();
    return installation;
  };
  return [
    route('POST /app-manifests/:code/conversions', (call) => {
      const app = conversions.take(call.params.code ?? '');
      if (!app) throw notFound();
      const { clientSecret: client_secret, webhookSecret: webhook_secret, pem } = app;
      return { status: 201, body: { ...appView(app), client_secret, webhook_secret, pem } };
    }),
    route('GET /app', (call) => ({ status: 200, body: appView(appOf(call)) })),
    route('GET /app/installations', (call) => {
      const app = appOf(call);
      const all = [...world.installations.values()].filter((installation) => installation.app.id === app.id);
      return page(call, all, (items) => items.map(installationView));
    }),
    route('GET /app/installations/:id', (call) => ({ status: 200, body: installationView(mine(call)) })),
    route('DELETE /app/installations/:id', (call) => {
      world.installations.delete(mine(call).id);
      return { status: 204 };
    }),
    route('POST /app/installations/:id/access_tokens', (call) => {
      const installation = mine(call);
      if (installation.suspendedAt !== null)
        throw new GithubRefusal(403, 'This installation has been suspended');
      const repositories = narrowedRepositories(world, installation, call);
      const permissions = narrowedPermissions(installation, call.body.permissions);
      const ids = repositories && new Set(repositories.map(({ id }) => id));
      const { token, expiresAt } = tokens.forInstallation(installation, permissions, ids);
      const body = {
        token,
        expires_at: expiresAt.toISOString().replace(/\.\d+Z$/, 'Z'),
        permissions,
        repository_selection: ids ? 'selected' : installation.selection,
        ...(repositories ? { repositories: repositories.map(repositoryView) } : {}),
      };
      return { status: 201, body };
    }),
    route('DELETE /installation/token', ({ caller }) => {
      if (caller.by !== 'installation') throw new GithubRefusal(401, 'Bad credentials');
      tokens.revoke(caller.token);
      return { status: 204 };
    }),
    route('GET /installation/repositories', (call) => {
      const { caller } = call;
      if (caller.by !== 'installation') throw new GithubRefusal(401, 'Bad credentials');
      const all = world
        .repositoriesOf(caller.installation)
        .filter(({ id }) => caller.repositoryIds?.has(id) ?? true);
      return page(call, all, (items) => ({
        total_count: all.length,
        repository_selection: caller.installation.selection,
        repositories: items.map(repositoryView),
      }));
    }),
  ];
}

function narrowedRepositories(
  world: GithubWorld,
  installation: GithubInstallation,
  { body }: GithubCall,
): GithubRepository[] | null {
  const { repositories, repository_ids } = body as { repositories?: unknown; repository_ids?: unknown };
  if (repositories === undefined && repository_ids === undefined) return null;
  const wanted = [...listOf(repositories), ...listOf(repository_ids)];
  if (wanted.length === 0 || wanted.length > NARROWED_TO_AT_MOST)
    throw new GithubRefusal(422, 'There is at least one repository that does not exist or is not accessible');
  const all = world.repositoriesOf(installation);
  return wanted.map((one) => {
    const found = all.find(({ id, name }) => id === one || name === one);
    if (found) return found;
    throw new GithubRefusal(
      422,
      'There is at least one repository that does not exist or is not accessible to the parent installation.',
    );
  });
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Never more than the installation was granted. */
function narrowedPermissions(installation: GithubInstallation, asked: unknown): GithubPermissions {
  if (typeof asked !== 'object' || asked === null) return installation.permissions;
  for (const [name, level] of Object.entries(asked)) {
    if (!permits(installation.permissions, [name], level === 'read' ? 'read' : 'write'))
      throw new GithubRefusal(422, 'The permissions requested are not granted to this installation.');
  }
  return { metadata: 'read', ...(asked as GithubPermissions) };
}
