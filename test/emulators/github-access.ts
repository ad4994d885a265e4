import { forbidden, GithubRefusal, notFound, type GithubCall } from './github-call.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubPermissions,
  GithubRepository,
  GithubUser,
  GithubWorld,
} from './github-world.js';

type Level = 'read' | 'write';

/** Whether permissions hold one of these at the level. */
export function permits(permissions: GithubPermissions, names: readonly string[], level: Level): boolean {
  return names.some((name) => {
    const held = permissions[name];
    return held !== undefined && (level === 'read' || held !== 'read');
  });
}

/**
 * The repository of a call's path, for a caller that may use it so: an installation token for its repositories and permissions, a user
 * token for what both the person and the App may. Throws 401, 403, and 404 for what the caller must not know of.
 */
export function repositoryOf(
  world: GithubWorld,
  call: GithubCall,
  names: readonly string[],
  level: Level,
): GithubRepository {
  const { owner = '', repo = '' } = call.params;
  const repository = world.repository(`${owner}/${repo}`);
  if (!repository) throw notFound();
  return admit(world, call, repository, names, level);
}

/** As `repositoryOf`, for a repository that was found in another way. */
export function admit(
  world: GithubWorld,
  { caller, method }: Pick<GithubCall, 'caller'> & { method?: string },
  repository: GithubRepository,
  names: readonly string[],
  level: Level,
): GithubRepository {
  if (caller.by === 'nobody') throw new GithubRefusal(401, 'Requires authentication');
  if (caller.by === 'app') throw forbidden();
  if (caller.by === 'installation') {
    if (!reaches(world, caller.installation, caller.repositoryIds, repository)) throw notFound();
    if (!permits(caller.permissions, names, level)) throw forbidden();
  } else {
    const role = world.roleIn(repository, caller.user.id);
    const installation = world.installationOn(caller.app, repository);
    if (role === null || !installation) throw notFound();
    if (!permits(installation.permissions, names, level)) throw forbidden();
  }
  if (repository.archived && level === 'write' && method !== 'GET')
    throw new GithubRefusal(403, 'Repository was archived so is read-only.');
  return repository;
}

/** Whether a token of an installation, narrowed so, reaches a repository. */
export function reaches(
  world: GithubWorld,
  installation: GithubInstallation,
  repositoryIds: Set<number> | null,
  repository: GithubRepository,
): boolean {
  return (
    world.repositoriesOf(installation).includes(repository) &&
    (repositoryIds === null || repositoryIds.has(repository.id))
  );
}

/** As whom a caller writes: the App's bot, or the person, through the App. Throws 401 and 403. */
export function authorOf({ caller }: GithubCall): { user: GithubUser; app: GithubApp } {
  if (caller.by === 'installation')
    return { user: caller.installation.app.bot, app: caller.installation.app };
  if (caller.by === 'user') return { user: caller.user, app: caller.app };
  throw new GithubRefusal(401, 'Requires authentication');
}

/** The App behind an App's JWT. Throws 401. */
export function appOf({ caller }: GithubCall): GithubApp {
  if (caller.by !== 'app') throw new GithubRefusal(401, 'A JSON web token could not be decoded');
  return caller.app;
}
