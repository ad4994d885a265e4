import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forward, gitThrough } from '../../../src/proxy/testing/git-client.js';
import type { StandIn } from './stand-in.js';

/** The tree of a workspace, with the real git behind the real proxy. */
export class GitTree {
  readonly #home = mkdtempSync(join(tmpdir(), 'berth-git-tree-'));

  private constructor(
    private readonly repository: string,
    private readonly branch: string,
    private readonly way: Awaited<ReturnType<typeof forward>>,
  ) {}

  /** Clones `owner/name`, the repository of the workspace, which works on a branch of its own where none is named. */
  static async clone(
    standIn: StandIn,
    repository: string,
    branch = `berth/${standIn.id.slice(-8)}`,
  ): Promise<GitTree> {
    const tree = new GitTree(repository, branch, await forward(standIn.socket));
    await tree.#run(tree.#home, 'clone', '-q', tree.#url, 'tree');
    return tree;
  }

  /** Runs git in the tree, and answers what it printed. Rejects with what it said. */
  async git(...args: string[]): Promise<string> {
    return (await this.#run(join(this.#home, 'tree'), ...args)).stdout;
  }

  /** Commits, and pushes the workspace's branch; answers the commit. */
  async push(): Promise<string> {
    await this.git('commit', '-q', '--allow-empty', '-m', 'work');
    await this.git('push', '-q', 'origin', `+HEAD:refs/heads/${this.branch}`);
    return (await this.git('rev-parse', 'HEAD')).trim();
  }

  /** What the branch is at the repository. */
  async pushed(): Promise<string> {
    return (await this.git('ls-remote', 'origin', `refs/heads/${this.branch}`)).split('\t')[0] ?? '';
  }

  async close(): Promise<void> {
    await this.way.close();
    rmSync(this.#home, { recursive: true, force: true });
  }

  get #url(): string {
    return `https://github.com/${this.repository}`;
  }

  #run(cwd: string, ...args: string[]): ReturnType<typeof gitThrough> {
    return gitThrough({ port: this.way.port, home: this.#home, host: 'github.com' }, cwd, ...args);
  }
}
