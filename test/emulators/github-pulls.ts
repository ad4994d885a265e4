import { authorOf, repositoryOf } from './github-access.js';
import {
  GithubRefusal,
  invalid,
  numberOf,
  notFound,
  page,
  route,
  textOf,
  type GithubCall,
  type GithubRoute,
} from './github-call.js';
import { BODY_LIMIT } from './github-conversations.js';
import type { GithubGit } from './github-git.js';
import { bodyOf, pullIn } from './github-issues.js';
import { pullView, reviewView } from './github-views.js';
import type { GithubRepository, GithubWorld, GithubPull } from './github-world.js';

const PULLS = ['pull_requests'];

/** The calls about pull requests and their reviews. */
export function pullRoutes(world: GithubWorld, git: GithubGit): GithubRoute[] {
  const view = async (repository: GithubRepository, pull: GithubPull): Promise<unknown> =>
    pullView(world, repository, pull, await shasOf(git, repository, pull));
  return [
    route('GET /repos/:owner/:repo/pulls', async (call) => {
      const repository = repositoryOf(world, call, PULLS, 'read');
      const all = listed(repository, call);
      const views = new Map<GithubPull, unknown>();
      for (const pull of all) views.set(pull, await view(repository, pull));
      return page(call, all, (items) => items.map((pull) => views.get(pull)));
    }),
    route('GET /repos/:owner/:repo/pulls/:number', async (call) => {
      const repository = repositoryOf(world, call, PULLS, 'read');
      return { status: 200, body: await view(repository, realPull(repository, call)) };
    }),
    route(
      'POST /repos/:owner/:repo/pulls',
      async (call) => {
        const repository = repositoryOf(world, call, PULLS, 'write');
        const pull = await newPull(world, git, repository, call);
        return { status: 201, body: await view(repository, pull) };
      },
      { content: true },
    ),
    route('PATCH /repos/:owner/:repo/pulls/:number', async (call) => {
      const repository = repositoryOf(world, call, PULLS, 'write');
      const pull = realPull(repository, call);
      const { title, body, state } = call.body;
      if (typeof title === 'string') pull.title = title;
      if (typeof body === 'string') pull.body = body === '' ? '' : bodyOf(call);
      if (state === 'open' || state === 'closed') pull.state = state;
      pull.updatedAt = call.now;
      return { status: 200, body: await view(repository, pull) };
    }),
    route('GET /repos/:owner/:repo/pulls/:number/reviews', (call) => {
      const repository = repositoryOf(world, call, PULLS, 'read');
      const { number } = realPull(repository, call);
      const all = repository.reviews.filter((review) => review.number === number);
      return page(call, all, (items) => items.map((review) => reviewView(world, repository, review)));
    }),
    route('GET /repos/:owner/:repo/pulls/:number/reviews/:id', (call) => {
      const repository = repositoryOf(world, call, PULLS, 'read');
      const review = repository.reviews.find(({ id }) => id === numberOf(call, 'id'));
      if (!review) throw notFound();
      return { status: 200, body: reviewView(world, repository, review) };
    }),
  ];
}

/** Where both branches are now. A head that is gone stays where it was seen last. */
export async function shasOf(
  git: GithubGit,
  repository: GithubRepository,
  { head, base }: GithubPull,
): Promise<{ head: string; base: string }> {
  if (head?.repository)
    head.lastSha = (await git.sha(head.repository, `refs/heads/${head.ref}`)) ?? head.lastSha;
  return { head: head?.lastSha ?? '', base: (await git.sha(repository, `refs/heads/${base}`)) ?? '' };
}

function realPull(repository: GithubRepository, call: GithubCall): GithubPull {
  const pull = pullIn(repository, call);
  if (!pull.head) throw notFound();
  return pull;
}

function listed(repository: GithubRepository, { query }: GithubCall): GithubPull[] {
  const state = query.get('state') ?? 'open';
  const [head, base] = [query.get('head'), query.get('base')];
  return [...repository.pulls.values()]
    .reverse()
    .filter(
      (pull) =>
        pull.head !== null &&
        (state === 'all' || pull.state === state) &&
        (base === null || pull.base === base) &&
        (head === null || labelOf(pull) === head.toLowerCase()),
    );
}

function labelOf({ head }: GithubPull): string {
  return `${head?.repository?.owner.login.toLowerCase() ?? ''}:${head?.ref.toLowerCase() ?? ''}`;
}

async function newPull(
  world: GithubWorld,
  git: GithubGit,
  repository: GithubRepository,
  call: GithubCall,
): Promise<GithubPull> {
  const [title, base] = [textOf(call, 'title'), textOf(call, 'base')];
  const head = headOf(world, repository, textOf(call, 'head'));
  const sha = head && (await git.sha(head.repository, `refs/heads/${head.ref}`));
  if (!sha) throw wrongField('head');
  if ((await git.sha(repository, `refs/heads/${base}`)) === null) throw wrongField('base');
  const own = head.repository === repository;
  if (own && (await git.ahead(repository, `refs/heads/${base}`, sha)) === 0)
    throw invalid(`No commits between ${base} and ${head.ref}`);
  if (!own && call.caller.by === 'installation' && call.body.maintainer_can_modify !== false)
    throw new GithubRefusal(422, 'Validation Failed', {
      errors: [{ resource: 'PullRequest', field: 'fork_collab', code: 'invalid' }],
    });
  const open = [...repository.pulls.values()].some(
    (pull) =>
      pull.state === 'open' &&
      pull.head?.repository === head.repository &&
      pull.head.ref === head.ref &&
      pull.base === base,
  );
  if (open) throw invalid(`A pull request already exists for ${head.repository.owner.login}:${head.ref}.`);
  const body = typeof call.body.body === 'string' ? call.body.body : null;
  if ((body?.length ?? 0) > BODY_LIMIT)
    throw invalid(`body is too long (maximum is ${BODY_LIMIT} characters)`);
  return addPull(world, repository, {
    title,
    body,
    base,
    draft: call.body.draft === true,
    user: authorOf(call).user,
    head: { ...head, lastSha: sha },
    maintainerCanModify: call.body.maintainer_can_modify !== false,
    now: call.now,
  });
}

function wrongField(field: string): GithubRefusal {
  return new GithubRefusal(422, 'Validation Failed', {
    errors: [{ resource: 'PullRequest', field, code: 'invalid' }],
  });
}

/** `branch`, or `owner:branch` of a fork. */
function headOf(
  world: GithubWorld,
  repository: GithubRepository,
  head: string,
): { ref: string; repository: GithubRepository } | null {
  const [, owner, ref = ''] = /^(?:([^:]+):)?(.+)$/.exec(head) ?? [];
  if (owner === undefined || owner.toLowerCase() === repository.owner.login.toLowerCase())
    return { ref, repository };
  const fork = [...world.repositories.values()].find(
    (other) => other.parent === repository && other.owner.login.toLowerCase() === owner.toLowerCase(),
  );
  return fork ? { ref, repository: fork } : null;
}

/** Adds a pull request, or with no head an issue, under the repository's next number. */
export function addPull(
  world: GithubWorld,
  repository: GithubRepository,
  given: Pick<GithubPull, 'title' | 'body' | 'base' | 'draft' | 'user' | 'head' | 'maintainerCanModify'> & {
    now: string;
    number?: number;
  },
): GithubPull {
  const { now, number: wanted, ...rest } = given;
  const number = wanted ?? repository.nextNumber;
  repository.nextNumber = Math.max(repository.nextNumber, number) + 1;
  const id = world.nextId();
  const nodeId = `${given.head ? 'PR' : 'I'}_${id}`;
  const times = { createdAt: now, updatedAt: now };
  const pull: GithubPull = { ...rest, id, nodeId, number, state: 'open', ...times, reactions: [] };
  repository.pulls.set(number, pull);
  return pull;
}
