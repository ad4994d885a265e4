import { permits } from './github-access.js';
import {
  forbidden,
  GithubRefusal,
  notFound,
  numberOf,
  page,
  route,
  type GithubCall,
  type GithubRoute,
} from './github-call.js';
import type { GithubTokens } from './github-tokens.js';
import { accountView, installationView, repositoryView } from './github-views.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubOrganization,
  GithubUser,
  GithubWorld,
} from './github-world.js';

/** The calls about people: who a user token is of, and who is in an organization. */
export function peopleRoutes(world: GithubWorld, tokens: GithubTokens): GithubRoute[] {
  const visible = (user: GithubUser, app: GithubApp): GithubInstallation[] =>
    [...world.installations.values()].filter(
      (installation) =>
        installation.app.id === app.id &&
        (installation.account.id === user.id ||
          world.organizations.get(installation.account.id)?.members.has(user.id) === true ||
          world.repositoriesOf(installation).some(({ collaborators }) => collaborators.has(user.id))),
    );
  return [
    route('DELETE /applications/:client/token', ({ params, entry, body }) => {
      const app = world.appByClient(params.client ?? '');
      if (!app || entry.credential.value !== `${app.clientId}:${app.clientSecret}`) throw notFound();
      tokens.revoke(String(body.access_token));
      return { status: 204 };
    }),
    route('GET /user', (call) => {
      const { user } = personOf(call);
      return { status: 200, body: { ...accountView(user), name: user.name, email: null } };
    }),
    route('GET /user/emails', (call) => {
      const { user, app } = personOf(call);
      if (!permits(app.permissions, ['emails'], 'read')) throw forbidden();
      return page(call, user.emails, (items) => items);
    }),
    route('GET /user/installations', (call) => {
      const { user, app } = personOf(call);
      const all = visible(user, app);
      return page(call, all, (items) => ({
        total_count: all.length,
        installations: items.map(installationView),
      }));
    }),
    route('GET /user/installations/:id/repositories', (call) => {
      const { user, app } = personOf(call);
      const installation = visible(user, app).find(({ id }) => id === numberOf(call, 'id'));
      if (!installation) throw notFound();
      const all = world
        .repositoriesOf(installation)
        .filter((repository) => world.roleIn(repository, user.id) !== null);
      return page(call, all, (items) => ({
        total_count: all.length,
        repositories: items.map(repositoryView),
      }));
    }),
    route('GET /user/:id', (call) => userAnswer(world.users.get(numberOf(call, 'id')))),
    route('GET /users/:login', (call) => userAnswer(world.user(call.params.login ?? ''))),
    route('GET /orgs/:org/members', (call) => {
      const organization = organizationOf(world, call);
      const role = call.query.get('role');
      const ids = [...organization.members].filter(([, held]) => role !== 'admin' || held === 'admin');
      const people = ids.flatMap(([id]) => world.users.get(id) ?? []);
      return page(call, people, (items) => items.map(accountView));
    }),
    route('GET /orgs/:org/memberships/:login', (call) => {
      const organization = organizationOf(world, call);
      const user = world.user(call.params.login ?? '');
      const role = user && organization.members.get(user.id);
      if (!user || role === undefined) throw notFound();
      return { status: 200, body: { state: 'active', role, user: accountView(user) } };
    }),
  ];
}

function userAnswer(user: GithubUser | undefined) {
  if (!user) throw notFound();
  return { status: 200, body: { ...accountView(user), name: user.name, email: null } };
}

function personOf({ caller }: GithubCall): { user: GithubUser; app: GithubApp } {
  if (caller.by === 'user') return caller;
  if (caller.by === 'nobody') throw new GithubRefusal(401, 'Requires authentication');
  throw forbidden();
}

/** With `members: read`, for the organization an installation token or the person belongs to. */
function organizationOf(world: GithubWorld, call: GithubCall): GithubOrganization {
  const organization = world.organization(call.params.org ?? '');
  const { caller } = call;
  if (caller.by === 'nobody') throw new GithubRefusal(401, 'Requires authentication');
  if (!organization) throw notFound();
  if (caller.by === 'app') throw forbidden();
  const installation =
    caller.by === 'installation'
      ? caller.installation
      : [...world.installations.values()].find(
          ({ app, account }) => app.id === caller.app.id && account.id === organization.id,
        );
  const permissions = caller.by === 'installation' ? caller.permissions : (installation?.permissions ?? {});
  if (installation?.account.id !== organization.id || !permits(permissions, ['members'], 'read'))
    throw forbidden();
  if (caller.by === 'user' && !organization.members.has(caller.user.id)) throw forbidden();
  return organization;
}
