import { readFileSync } from 'node:fs';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { playFailure } from './answers.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import {
  askGit,
  commitToBare,
  createBareRepository,
  forkBareRepository,
  serveWithGit,
  type GitPlace,
} from './git-backend.js';
import { GIT_ROUTE, piecesBeforeCut, sendText } from './git.js';
import { permits, reaches } from './github-access.js';
import type { GithubCaller } from './github-call.js';
import {
  fullNameOf,
  mayWrite,
  type GithubPush,
  type GithubRepository,
  type GithubWorld,
} from './github-world.js';

/** Who pushed is written down by the repository while the push is under way: nobody who was answered reads it too early. */
const POST_RECEIVE = `#!/bin/sh
while read before after ref; do echo "$REMOTE_USER $ref $before $after" >> pushed; done
`;
/** As GitHub refuses an App without \`workflows\`: by what the new commits touch. */
const PRE_RECEIVE = `#!/bin/sh
[ -n "$REFUSE_WORKFLOWS" ] || exit 0
while read before after ref; do
  case "$after" in *[!0]*) ;; *) continue ;; esac
  if git log --format= --name-only "$after" --not --all -- .github/workflows | grep -q .; then
    echo "refusing to allow a GitHub App to create or update workflow without \\\`workflows\\\` permission" >&2
    exit 1
  fi
done
`;

/** Let in, or turned away in these words. */
type Admitted =
  { status: number; text: string } | { repository: GithubRepository; environment: Record<string, string> };
const MISSING = { status: 404, text: 'Repository not found.' };

/** The git repositories behind this GitHub, over smart HTTP. */
export class GithubGit {
  constructor(
    private readonly world: GithubWorld,
    readonly place: GitPlace,
    private readonly holder: (token: string) => GithubCaller | null,
  ) {}

  /** A bare repository with one commit; of a fork with the commits of what it comes from. */
  async create(repository: GithubRepository, files: Record<string, string>): Promise<void> {
    const fullName = fullNameOf(repository);
    await mkdir(dirname(join(this.place.root, fullName)), { recursive: true });
    const directory = repository.parent
      ? await forkBareRepository(this.place, fullNameOf(repository.parent), fullName)
      : await createBareRepository(this.place, fullName, files);
    for (const [name, text] of [
      ['post-receive', POST_RECEIVE],
      ['pre-receive', PRE_RECEIVE],
    ] as const) {
      const file = join(directory, 'hooks', name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
      await chmod(file, 0o755);
    }
  }

  /** A commit on a branch, as somebody makes one; a new branch begins at the default one. */
  async commit(
    repository: GithubRepository,
    branch: string,
    files: Record<string, string>,
    author = 'Somebody <somebody@github.invalid>',
  ): Promise<string> {
    const commit = { branch, from: repository.defaultBranch, message: `Change ${branch}`, author, files };
    await commitToBare(this.place, fullNameOf(repository), commit);
    return (await this.sha(repository, `refs/heads/${branch}`)) ?? '';
  }

  /** Moves the files of a repository that has a new name. */
  async move(before: string, after: string): Promise<void> {
    await mkdir(dirname(join(this.place.root, after)), { recursive: true });
    await rename(join(this.place.root, `${before}.git`), join(this.place.root, `${after}.git`));
  }

  /** All pushes that were taken, per repository in their order. */
  pushes(): GithubPush[] {
    return [...this.world.repositories.values()].flatMap((repository) => {
      const name = fullNameOf(repository);
      return readPushed(join(this.place.root, `${name}.git`, 'pushed')).map((line) => {
        const [by = '', ref = '', before = '', after = ''] = line.split(' ');
        return { repository: name, by, ref, before, after };
      });
    });
  }

  /** The commit a branch or other name stands for; null: there is none. */
  async sha(repository: GithubRepository, name: string): Promise<string | null> {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`];
    return (await askGit(this.place, fullNameOf(repository), args))?.toString().trim() ?? null;
  }

  /** How many commits `head` has that `base` has not. */
  async ahead(repository: GithubRepository, base: string, head: string): Promise<number> {
    const args = ['rev-list', '--count', `${base}..${head}`, '--'];
    return Number((await askGit(this.place, fullNameOf(repository), args))?.toString() ?? 0);
  }

  /** A file, or the names in a folder, at a commit. */
  async content(
    repository: GithubRepository,
    commit: string,
    path: string,
  ): Promise<{ sha: string; file: Buffer } | { sha: string; names: string[] } | null> {
    const ask = (...args: string[]): Promise<Buffer | null> =>
      askGit(this.place, fullNameOf(repository), args);
    const sha = (await ask('rev-parse', '--verify', '--quiet', `${commit}:${path}`))?.toString().trim();
    if (sha === undefined) return null;
    const file = await ask('cat-file', 'blob', sha);
    if (file) return { sha, file };
    const names = (await ask('ls-tree', '--name-only', '-z', sha))?.toString().split('\0').filter(Boolean);
    return { sha, names: names ?? [] };
  }

  /** Serves git itself. False when the path is none of git's. */
  async serve(exchange: Exchange, failure: Failure | null): Promise<boolean> {
    const { entry } = exchange;
    const [, owner = '', name = '', service] = GIT_ROUTE.exec(entry.path) ?? [];
    if (service === undefined) return false;
    if (failure && playFailure(exchange, failure, { message: 'Server Error' })) return true;
    const push = service === 'git-receive-pack' || entry.query.includes('service=git-receive-pack');
    const admitted = this.#admit(this.world.repository(`${owner}/${name}`), entry.credential.value, push);
    if ('status' in admitted) {
      const ask = admitted.status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {};
      sendText(exchange, admitted.status, admitted.text, ask as Record<string, string>);
    } else if (service === 'info/refs' && !entry.query.includes('service=git-')) {
      sendText(exchange, 403, 'Please upgrade your git client.');
    } else {
      const path = `/${fullNameOf(admitted.repository)}.git/${service}`;
      const { environment } = admitted;
      await serveWithGit(this.place, exchange, path, piecesBeforeCut(failure), environment);
    }
    return true;
  }

  #admit(
    repository: GithubRepository | undefined,
    basic: string,
    push: boolean,
  ):
    { status: number; text: string } | { repository: GithubRepository; environment: Record<string, string> } {
    if (basic === '') {
      if (repository && !repository.private && !push) return { repository, environment: {} };
      return { status: 401, text: 'Invalid username or token.' };
    }
    const caller = this.holder(basic.slice(basic.indexOf(':') + 1));
    if (!caller) return { status: 401, text: 'Invalid username or token.' };
    if (!repository) return MISSING;
    return caller.by === 'installation'
      ? this.#admitInstallation(repository, caller, push)
      : this.#admitPerson(repository, caller, push);
  }

  #admitInstallation(
    repository: GithubRepository,
    { installation, repositoryIds, permissions }: GithubCaller & { by: 'installation' },
    push: boolean,
  ): Admitted {
    const bot = installation.app.bot.login;
    if (!reaches(this.world, installation, repositoryIds, repository)) {
      if (repository.private) return MISSING;
      return push ? denied(repository, bot) : { repository, environment: {} };
    }
    if (!permits(permissions, ['contents'], push ? 'write' : 'read')) return denied(repository, bot);
    const workflows = permits(permissions, ['workflows'], 'write');
    return { repository, environment: { REMOTE_USER: bot, ...(workflows ? {} : { REFUSE_WORKFLOWS: '1' }) } };
  }

  #admitPerson(repository: GithubRepository, caller: GithubCaller, push: boolean): Admitted {
    const role = caller.by === 'user' ? this.world.roleIn(repository, caller.user.id) : null;
    if (caller.by !== 'user' || role === null) return MISSING;
    if (push && !mayWrite(role)) return denied(repository, caller.user.login);
    return { repository, environment: { REMOTE_USER: caller.user.login } };
  }
}

function denied(repository: GithubRepository, login: string): Admitted {
  return { status: 403, text: `Permission to ${fullNameOf(repository)}.git denied to ${login}.` };
}

function readPushed(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}
