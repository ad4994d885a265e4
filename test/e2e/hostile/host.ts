import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { TestSystem } from '../support/system.js';

/** What only the host may read of a workspace, in its runner's file. */
export interface RunnerFile {
  runnerToken: string;
  placeholder: string;
  /** Folder of the socket `s`. */
  socketDirectory: string;
}

/** Reads the runner's file of a workspace that runs. */
export function runnerFileOf(system: TestSystem, workspaceId: string): RunnerFile {
  return JSON.parse(
    readFileSync(path.join(system.filesOf(workspaceId), 'runner.json'), 'utf8'),
  ) as RunnerFile;
}

/** True when a server takes the connection. */
export function knocks(options: net.NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(options);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
