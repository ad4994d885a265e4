import { admit, authorOf, repositoryOf } from './github-access.js';
import {
  forbidden,
  GithubRefusal,
  invalid,
  notFound,
  numberOf,
  page,
  route,
  textOf,
  type GithubCall,
  type GithubRoute,
} from './github-call.js';
import type { GithubGit } from './github-git.js';
import { checkRunView, permissionView, repositoryView } from './github-views.js';
import { fullNameOf, type GithubCheckRun, type GithubRepository, type GithubWorld } from './github-world.js';

/** The calls about a repository itself: what it is, who may do what, files and check runs. */
export function repositoryRoutes(world: GithubWorld, git: GithubGit): GithubRoute[] {
  return [
    route('GET /repos/:owner/:repo', (call) => ({
      status: 200,
      body: repositoryView(repositoryOf(world, call, ['metadata'], 'read')),
    })),
    route('GET /repositories/:id', (call) => {
      const repository = world.repositories.get(numberOf(call, 'id'));
      if (!repository) throw notFound();
      return { status: 200, body: repositoryView(admit(world, call, repository, ['metadata'], 'read')) };
    }),
    route('GET /repos/:owner/:repo/collaborators/:login/permission', (call) => {
      const repository = repositoryOf(world, call, ['metadata'], 'read');
      const user = world.user(call.params.login ?? '');
      if (!user) throw notFound();
      return { status: 200, body: permissionView(world.roleIn(repository, user.id), user) };
    }),
    route('GET /repos/:owner/:repo/branches/*branch', async (call) => {
      const repository = repositoryOf(world, call, ['contents'], 'read');
      const sha = await git.sha(repository, `refs/heads/${call.params.branch ?? ''}`);
      if (sha === null) throw new GithubRefusal(404, 'Branch not found');
      return { status: 200, body: { name: call.params.branch, commit: { sha }, protected: false } };
    }),
    route('GET /repos/:owner/:repo/contents/*path', (call) => content(world, git, call)),
    ...checkRunRoutes(world, git),
  ];
}

async function content(world: GithubWorld, git: GithubGit, call: GithubCall) {
  const repository = repositoryOf(world, call, ['contents'], 'read');
  const path = call.params.path ?? '';
  const ref = call.query.get('ref') ?? repository.defaultBranch;
  const commit = await git.sha(repository, ref);
  const found = commit === null ? null : await git.content(repository, commit, path);
  if (!found) throw notFound();
  const common = { path, sha: found.sha, html_url: `https://github.com/${fullNameOf(repository)}` };
  const name = path.split('/').at(-1) ?? path;
  if ('names' in found) {
    const body = found.names.map((one) => ({ ...common, name: one, path: `${path}/${one}`, type: 'file' }));
    return { status: 200, body };
  }
  if (call.entry.headers.accept?.includes('raw'))
    return { status: 200, body: found.file.toString('utf8'), headers: { 'content-type': 'text/plain' } };
  const text = found.file.toString('base64').replaceAll(/(.{60})/g, '$1\n');
  const size = found.file.length;
  return {
    status: 200,
    body: { ...common, name, type: 'file', size, encoding: 'base64', content: text },
  };
}

function checkRunRoutes(world: GithubWorld, git: GithubGit): GithubRoute[] {
  const change = (run: GithubCheckRun, { body }: GithubCall): void => {
    if (typeof body.status === 'string') run.status = body.status;
    if (typeof body.conclusion === 'string') {
      run.conclusion = body.conclusion;
      run.status = 'completed';
    }
    if (typeof body.details_url === 'string') run.detailsUrl = body.details_url;
    if (body.output !== undefined) run.output = body.output;
  };
  const own = (call: GithubCall): GithubCheckRun => {
    const repository = repositoryOf(world, call, ['checks'], 'write');
    const { app } = authorOf(call);
    const run = repository.checkRuns.find(({ id }) => id === numberOf(call, 'id'));
    if (!run) throw notFound();
    if (run.appId !== app.id) throw forbidden();
    return run;
  };
  return [
    route('POST /repos/:owner/:repo/check-runs', async (call) => {
      const repository = repositoryOf(world, call, ['checks'], 'write');
      const { caller } = call;
      // Apps alone may: also for a person with every right it is 403.
      if (caller.by !== 'installation') throw forbidden();
      const headSha = textOf(call, 'head_sha');
      if ((await git.sha(repository, headSha)) === null) throw invalid(`No commit found for SHA: ${headSha}`);
      const run: GithubCheckRun = {
        id: world.nextId(),
        appId: caller.installation.app.id,
        installationId: caller.installation.id,
        name: textOf(call, 'name'),
        headSha,
        externalId: typeof call.body.external_id === 'string' ? call.body.external_id : '',
        status: 'queued',
        conclusion: null,
        detailsUrl: null,
        output: {},
      };
      change(run, call);
      repository.checkRuns.push(run);
      return { status: 201, body: checkRunView(run) };
    }),
    route('PATCH /repos/:owner/:repo/check-runs/:id', (call) => {
      const run = own(call);
      change(run, call);
      return { status: 200, body: checkRunView(run) };
    }),
    route('GET /repos/:owner/:repo/check-runs/:id', (call) => {
      const repository = repositoryOf(world, call, ['checks'], 'read');
      return { status: 200, body: checkRunView(runIn(repository, numberOf(call, 'id'))) };
    }),
    route('GET /repos/:owner/:repo/commits/:ref/check-runs', async (call) => {
      const repository = repositoryOf(world, call, ['checks'], 'read');
      const sha = await git.sha(repository, call.params.ref ?? '');
      const name = call.query.get('check_name');
      const all = repository.checkRuns.filter(
        (run) => run.headSha === sha && (name === null || run.name === name),
      );
      return page(call, all, (items) => ({
        total_count: all.length,
        check_runs: items.map(checkRunView),
      }));
    }),
  ];
}

function runIn(repository: GithubRepository, id: number): GithubCheckRun {
  const run = repository.checkRuns.find((one) => one.id === id);
  if (!run) throw notFound();
  return run;
}
