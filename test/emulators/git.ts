import { playFailure, sendHead } from './answers.js';
import type { Emulator, EmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import { createBareRepository, serveWithGit, type GitPlace } from './git-backend.js';
import type { ReceivedCredential } from './ledger.js';
import { EmulatorServer } from './server.js';

/** What the git server takes. */
export interface GitEmulatorOptions extends EmulatorOptions {
  /** Folder of the bare repositories, served as `/<owner>/<name>.git`; must exist. */
  root: string;
  /** The git program; default `git` of PATH. */
  git?: string;
}

/** A git server that clones and takes pushes over smart HTTP. */
export interface GitEmulator extends Emulator {
  /**
   * Demands Basic authentication for `owner/name`, or for all of an owner with `owner/*`. An accepted credential is a password
   * (the token, with any user name, as on GitHub) or a whole `user:password`.
   */
  protect(repository: string): void;
  /** Makes `owner/name` with one commit on `main`; resolves to its folder. Rejects when git fails. */
  createRepository(repository: string, files?: Record<string, string>): Promise<string>;
}

/** Requests of git's smart HTTP: owner, name, service. */
export const GIT_ROUTE =
  /^\/([\w-][\w.-]*)\/([\w-][\w.-]*?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;

/** Starts the git server on loopback. Rejects when the port is taken. */
export async function startGitEmulator(options: GitEmulatorOptions): Promise<GitEmulator> {
  const server = new GitServer(options);
  await server.listen(options.port ?? 0);
  return server;
}

class GitServer extends EmulatorServer<null> implements GitEmulator {
  readonly #place: GitPlace;
  readonly #protected = new Set<string>();

  constructor(options: GitEmulatorOptions) {
    super(options, (exchange) => this.#answer(exchange), null);
    this.#place = { git: options.git ?? 'git', root: options.root };
  }

  protect(repository: string): void {
    this.#protected.add(repository);
  }

  createRepository(
    repository: string,
    files: Record<string, string> = { 'README.md': '# Hello\n' },
  ): Promise<string> {
    return createBareRepository(this.#place, repository, files);
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { entry } = exchange;
    const failure = this.failures.take(entry, true);
    if (failure && playFailure(exchange, failure, { message: 'Server Error' })) return;
    const [, owner, name, service] = GIT_ROUTE.exec(entry.path) ?? [];
    if (owner === undefined || name === undefined || service === undefined) {
      sendText(exchange, 404, 'Not Found');
    } else if (this.#demandsAuthentication(owner, name) && !this.#isAuthenticated(entry.credential)) {
      sendText(exchange, 401, 'Invalid username or token.', { 'www-authenticate': 'Basic realm="GitHub"' });
    } else if (service === 'info/refs' && !entry.query.includes('service=git-')) {
      // The old "dumb" protocol, which GitHub does not speak either.
      sendText(exchange, 403, 'Please upgrade your git client.');
    } else {
      await serveWithGit(this.#place, exchange, `/${owner}/${name}.git/${service}`, piecesBeforeCut(failure));
    }
  }

  #demandsAuthentication(owner: string, name: string): boolean {
    return this.#protected.has(`${owner}/${name}`) || this.#protected.has(`${owner}/*`);
  }

  #isAuthenticated({ kind, value }: ReceivedCredential): boolean {
    if (kind !== 'basic') return false;
    const password = value.slice(value.indexOf(':') + 1);
    return this.credentials.knows(value) || this.credentials.knows(password);
  }
}

/** How much of an answer is sent before a cut that is to be played; null: all. */
export function piecesBeforeCut(failure: Failure | null): number | null {
  return failure ? Math.max(1, failure.afterEvents ?? 1) : null;
}

/** Answers a git client in words. */
export function sendText(
  exchange: Exchange,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  sendHead(exchange, status, { 'content-type': 'text/plain', ...headers });
  exchange.response.end(text);
}
