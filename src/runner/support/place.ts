import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RepositorySource, RunnerAssignment, RunnerFile } from '../../contracts/runner.js';
import { silentLog } from '../../kernel/log.js';
import { Git } from '../git/git.js';
import { BubblewrapSandbox } from '../sandbox/bubblewrap.js';
import { systemTimer } from '../timer.js';
import { openWorkspace, type Workspace } from '../workspace.js';
import { temporaryFolder } from './repository.js';

/** Folders and a sandbox as one workspace has them, for tests below the supervisor. */
export class Place {
  readonly folder = temporaryFolder();
  readonly tree = join(this.folder, 'tree');
  readonly home = join(this.folder, 'home');
  readonly scratch = join(this.folder, 'scratch');
  readonly socketDirectory = join(this.folder, 'socket');
  sandbox: BubblewrapSandbox;
  readonly path = '/usr/local/bin:/usr/bin:/bin';
  readonly placeholder = 'placeholder-of-a-test';
  readonly branch = 'berth/0badcafe';

  constructor(private readonly compiled: string) {
    mkdirSync(this.socketDirectory, { recursive: true });
    this.sandbox = this.newSandbox();
  }

  /** The sandbox as the next runner makes it. */
  newSandbox(): BubblewrapSandbox {
    const { tree, home, scratch, socketDirectory } = this;
    const forwarder = join(this.compiled, 'runner', 'inside', 'forwarder.js');
    this.sandbox = new BubblewrapSandbox({
      ...{ tree, home, scratch, socketDirectory, forwarder },
      bwrap: '/usr/bin/bwrap',
    });
    return this.sandbox;
  }

  /** The workspace of a repository, as the supervisor opens it. */
  open(
    repository: RepositorySource,
    ref: string | null = null,
    more: Partial<Pick<RunnerAssignment, 'branch' | 'fallbackBranch' | 'readOnly'>> = {},
  ): Workspace {
    const file: RunnerFile = {
      internalUrl: 'http://127.0.0.1:1',
      runnerToken: 'unused',
      workspaceId: '00000000-0000-7000-8000-000000000001',
      directories: { tree: this.tree, home: this.home, scratch: this.scratch },
      socketDirectory: this.socketDirectory,
      placeholder: this.placeholder,
      sandbox: { mode: 'bubblewrap', bwrap: '/usr/bin/bwrap' },
      agents: { claude: null, codex: null },
      git: '/usr/bin/git',
      orphanSeconds: 60,
      turnTimeoutSeconds: 60,
      path: this.path,
    };
    const assignment: RunnerAssignment = {
      workspaceId: file.workspaceId,
      repository,
      ref,
      branch: this.branch,
      fallbackBranch: null,
      readOnly: false,
      instructions: null,
      ...more,
      agent: 'claude',
      model: 'none',
    };
    return openWorkspace({
      ...{ file, assignment, sandbox: this.sandbox, timer: systemTimer, log: silentLog },
      ids: { next: () => 'unused' },
    });
  }

  /** Git in the sandbox, to play the agent. */
  git(repository: RepositorySource): Git {
    const { sandbox, path, placeholder } = this;
    return new Git({ sandbox, git: '/usr/bin/git', path, repository, placeholder, timer: systemTimer });
  }

  /** Runs a shell line inside and answers exit code and output. */
  async shell(
    line: string,
    network: 'proxy' | 'none' = 'none',
  ): Promise<{ code: number | null; output: string }> {
    const child = this.sandbox.run({
      command: '/bin/bash',
      args: ['-c', line],
      env: { PATH: `${this.path}:${this.sandbox.paths.extraPath}`, HOME: this.sandbox.paths.home },
      network,
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const { code } = await child.exit;
    return { code, output };
  }
}
