import type { z } from 'zod';
import type { gitRouteSchema } from '../contracts/proxy.js';
import type { Pools, Target } from './pools.js';

export type GitRoute = z.infer<typeof gitRouteSchema>;

export type GitService = 'git-upload-pack' | 'git-receive-pack';

/**
 * One step of git's smart HTTP protocol (gitprotocol-http(5)). `advertise`: GET …/info/refs?service=…; `exchange`: POST …/<service>. Service
 * `git-upload-pack` reads the repository, `git-receive-pack` writes to it.
 */
export interface GitOperation {
  step: 'advertise' | 'exchange';
  service: GitService;
}

const SERVICES: readonly GitService[] = ['git-upload-pack', 'git-receive-pack'];

/** The one repository that a workspace may reach. */
export class GitRepository {
  readonly #url: URL;
  readonly #paths: readonly string[];
  /** As it stands in the repository's URL: a credential is for this one. */
  readonly host: string;
  /** The only refs that a push may write. None: nothing is pushed, and no credential goes out for it. */
  readonly pushRefs: readonly string[];
  #target: Target;
  #called: string | null = null;

  constructor(
    route: GitRoute,
    private readonly pools: Pools,
  ) {
    this.#url = new URL(route.upstreamUrl);
    this.#target = pools.publicTarget(route.upstreamUrl);
    this.host = route.path.split('/', 1)[0] ?? '';
    this.pushRefs = route.pushRefs;
    // Git asks with the spelling of its own remote, with or without the ending.
    const bare = route.path.replace(/\.git$/, '');
    this.#paths = [`/git/${bare}`, `/git/${bare}.git`];
  }

  /** Where requests go: the configured URL, or where the repository is since it has another name. */
  get target(): Target {
    return this.#target;
  }

  /** How the control plane says that it is called by now. A redirect that is followed after that holds. */
  isCalled(repository: string): void {
    if (repository === this.#called) return;
    this.#called = repository;
    this.#target = this.pools.publicTarget(`${this.#url.origin}/${repository}.git`);
  }

  /** Which step a request asks for; null when it is not one of the four that git needs, or for another repository. */
  operation(method: string, path: string, query: string): GitOperation | null {
    const base = this.#paths.find((each) => path.startsWith(`${each}/`));
    if (base === undefined) return null;
    const rest = path.slice(base.length + 1);
    if (method === 'GET' && rest === 'info/refs') {
      const service = SERVICES.find((each) => query === `service=${each}`);
      return service ? { step: 'advertise', service } : null;
    }
    const service = SERVICES.find((each) => rest === each);
    return method === 'POST' && query === '' && service ? { step: 'exchange', service } : null;
  }

  /**
   * Follows a redirect of `info/refs` to another path of the same origin (a renamed repository) and says whether it did. Other origins are
   * refused: the redirect would decide where the workspace's traffic and its credential go.
   */
  follow(location: string | undefined, service: GitService): boolean {
    if (location === undefined || !URL.canParse(location, this.#url.href)) return false;
    const to = new URL(location, this.#url);
    const suffix = '/info/refs';
    if (to.origin !== this.#url.origin || !to.pathname.endsWith(suffix)) return false;
    if (to.search !== `?service=${service}`) return false;
    this.#target = this.pools.publicTarget(to.origin + to.pathname.slice(0, -suffix.length));
    return true;
  }
}
