import { execFileSync } from 'node:child_process';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BerthError } from '../../kernel/errors.js';
import { spawnGroup } from './process.js';
import { resolveProgram, type Program } from './program.js';
import type { Bind, Sandbox, SandboxCommand, SandboxPaths, SandboxProcess } from './sandbox.js';
import { seccompFilter } from './seccomp.js';
import { INNER_HOME, INNER_ID, procArguments, systemArguments, writeEtc } from './system-files.js';

/** The port on which the proxy is reached inside; the sandbox has a loopback of its own, so it is always free. */
const PROXY_PORT = 8123;
const INNER_TREE = '/workspace';
const INNER_SOCKETS = '/run/berth';
const INNER_NODE_FOLDER = '/opt/berth/bin';
const INNER_FORWARDER = '/opt/berth/forwarder.mjs';
/** The forwarder only copies bytes; a small heap keeps many sandboxes cheap. */
const FORWARDER_FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1'];

export interface BubblewrapOptions {
  /** Path of the `bwrap` program. */
  bwrap: string;
  tree: string;
  home: string;
  /** The runner's own folder; never visible inside. */
  scratch: string;
  /** Folder that holds the proxy's socket `s`. */
  socketDirectory: string;
  /** The forwarder as one JavaScript file on the host. */
  forwarder: string;
  /** The Node binary that runs the forwarder; by default the one that runs this. */
  node?: string;
}

/** Whether this bwrap (0.8 and newer) can forbid user namespaces inside. Throws BerthError `sandbox-unavailable` when bwrap does not run at all. */
function canDisableUserNamespaces(bwrap: string): boolean {
  try {
    return execFileSync(bwrap, ['--help'], { encoding: 'utf8', env: {}, timeout: 10_000 }).includes(
      '--disable-userns',
    );
  } catch (error) {
    throw new BerthError(
      'sandbox-unavailable',
      'bubblewrap does not run on this machine. Install the package `bubblewrap` (apt-get install bubblewrap).',
      { cause: error },
    );
  }
}

/** The workspace's folders must not lie in what every sandbox sees, or one workspace would read the other. */
function refuseSharedFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    if (/^\/(usr|bin|sbin|lib[^/]*)(\/|$)/.test(folder)) {
      throw new BerthError(
        'sandbox-unavailable',
        `The folder ${folder} lies in a system folder that every sandbox sees. Set BERTH_DATA_DIR to a folder outside /usr.`,
      );
    }
  }
}

/** Arguments for namespaces, a fixed system and private /proc, /dev and /tmp. The order counts: later mounts cover earlier ones. */
function isolationArguments(scratch: string, disableUserNamespaces: boolean): string[] {
  const etc = writeEtc(join(scratch, 'etc'));
  const empty = join(scratch, 'empty');
  writeFileSync(empty, '');
  return [
    '--unshare-all',
    '--unshare-user',
    // Without it the agent could make a namespace of its own, be root there and rearrange the mounts it sees.
    ...(disableUserNamespaces ? ['--disable-userns'] : []),
    ...['--uid', String(INNER_ID), '--gid', String(INNER_ID), '--hostname', 'workspace'],
    // A killed runner must not leave an agent that nobody watches; a new session keeps it from typing into a terminal (TIOCSTI).
    ...['--die-with-parent', '--new-session'],
    ...['--tmpfs', '/', '--proc', '/proc', ...procArguments(empty), '--dev', '/dev'],
    ...['--perms', '1777', '--tmpfs', '/tmp'],
    ...['--perms', '1777', '--tmpfs', '/var/tmp', '--dir', '/run'],
    ...systemArguments(etc),
  ];
}

function bindArguments(bind: Bind): string[] {
  return [bind.writable ? '--bind' : '--ro-bind', bind.source, bind.target];
}

/**
 * A workspace's sandbox made by bubblewrap: own user, pid, ipc, uts, mount and network namespaces, and nothing of the host but a read-only system,
 * the workspace's tree and HOME, and the folder of the proxy's socket.
 */
export class BubblewrapSandbox implements Sandbox {
  readonly paths: SandboxPaths = {
    tree: INNER_TREE,
    home: INNER_HOME,
    gitConfig: '/etc/gitconfig',
    extraPath: INNER_NODE_FOLDER,
  };
  readonly proxyUrl = `http://127.0.0.1:${PROXY_PORT}`;
  readonly #base: string[];
  /** Null where there is none for this CPU. */
  readonly #filter = seccompFilter(process.arch);

  /** Throws BerthError `sandbox-unavailable` when bwrap does not run or a folder lies where every sandbox sees it. */
  constructor(private readonly options: BubblewrapOptions) {
    const { tree, home, scratch, socketDirectory } = options;
    for (const folder of [tree, home, scratch]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    refuseSharedFolders([tree, home, scratch, socketDirectory].map((folder) => realpathSync(folder)));
    const node = realpathSync(options.node ?? process.execPath);
    this.#base = [
      // bwrap takes both descriptors away before the command starts (process.ts makes them).
      ...['--info-fd', '3', ...(this.#filter === null ? [] : ['--seccomp', '4'])],
      ...isolationArguments(scratch, canDisableUserNamespaces(options.bwrap)),
      ...bindArguments({ source: node, target: join(INNER_NODE_FOLDER, 'node'), writable: false }),
    ];
  }

  run(command: SandboxCommand): SandboxProcess {
    const inner = [command.command, ...command.args];
    const proxied = command.network === 'proxy';
    const args = [
      ...this.#base,
      ...(command.workspace === false ? [] : this.#workspaceArguments()),
      ...(proxied ? this.#networkArguments() : []),
      ...(command.binds ?? []).flatMap(bindArguments),
      // Nothing above is wanted writable by accident: the root itself is a tmpfs of ours.
      ...['--remount-ro', '/', '--chdir', command.cwd ?? INNER_TREE, '--'],
      ...(proxied ? this.#forwarderCommand() : []),
      ...inner,
    ];
    // bwrap's own environment stays readable inside as /proc/1/environ, so it gets exactly what the command may see.
    return spawnGroup({
      command: this.options.bwrap,
      args,
      env: command.env,
      cwd: '/',
      stdin: command.stdin ?? 'ignore',
      tellsFirstProcess: true,
      input: this.#filter,
    });
  }

  inside(_path: string, target: string): string {
    return target;
  }

  program(path: string): Program {
    return resolveProgram(path, join(INNER_NODE_FOLDER, 'node'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #workspaceArguments(): string[] {
    return [
      ...bindArguments({ source: this.options.tree, target: INNER_TREE, writable: true }),
      ...bindArguments({ source: this.options.home, target: INNER_HOME, writable: true }),
    ];
  }

  /** The socket's folder is bound, not the socket: a bound file would stay the dead socket after the proxy restarted. */
  #networkArguments(): string[] {
    return [
      ...bindArguments({ source: this.options.socketDirectory, target: INNER_SOCKETS, writable: false }),
      ...bindArguments({ source: this.options.forwarder, target: INNER_FORWARDER, writable: false }),
    ];
  }

  #forwarderCommand(): string[] {
    const node = join(INNER_NODE_FOLDER, 'node');
    return [node, ...FORWARDER_FLAGS, INNER_FORWARDER, String(PROXY_PORT), join(INNER_SOCKETS, 's')];
  }
}
