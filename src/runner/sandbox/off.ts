import { mkdirSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { startForwarder } from '../inside/start-forwarder.js';
import { spawnGroup } from './process.js';
import { realProgram, type Program } from './program.js';
import type { Sandbox, SandboxCommand, SandboxPaths, SandboxProcess } from './sandbox.js';
import { writeEtc } from './system-files.js';

export interface OffOptions {
  tree: string;
  home: string;
  scratch: string;
  socketDirectory: string;
}

/**
 * No sandbox: commands run as the runner's own user, on the host's own paths. For machines where something else isolates (a container per workspace)
 * or where a person chose it. Binds mean nothing here, and a background process that leaves its group survives.
 */
export class OffSandbox implements Sandbox {
  private constructor(
    private readonly forwarder: Server,
    readonly paths: SandboxPaths,
    readonly proxyUrl: string,
  ) {}

  /** Starts the forwarder in this process, on a free loopback port: every workspace of the machine shares one loopback here. */
  static async start(options: OffOptions): Promise<OffSandbox> {
    for (const folder of [options.tree, options.home, options.scratch]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    const gitConfig = writeEtc(join(options.scratch, 'etc')).get('gitconfig') ?? '';
    const forwarder = await startForwarder(0, join(options.socketDirectory, 's'));
    const { port } = forwarder.address() as AddressInfo;
    const paths = { tree: options.tree, home: options.home, gitConfig, extraPath: '' };
    return new OffSandbox(forwarder, paths, `http://127.0.0.1:${port}`);
  }

  run(command: SandboxCommand): SandboxProcess {
    return spawnGroup({
      command: command.command,
      args: command.args,
      env: command.env,
      cwd: command.cwd ?? this.paths.tree,
      stdin: command.stdin ?? 'ignore',
    });
  }

  inside(path: string): string {
    return path;
  }

  program(path: string): Program {
    return { command: realProgram(path), args: [], binds: [] };
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.forwarder.close(() => resolve());
    });
  }
}
