import { execFile } from 'node:child_process';
import net, { type AddressInfo } from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What stands between git in its sandbox and the socket: a loopback port whose connections go to the socket. */
export async function forward(socketPath: string): Promise<{ port: number; close: () => Promise<void> }> {
  const server = net.createServer((client) => {
    const socket = net.connect(socketPath);
    client.pipe(socket).pipe(client);
    client.on('error', () => socket.destroy());
    socket.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Where git is run as in a workspace: its proxy listens at `port`, its repository is at `host`. */
export interface GitClient {
  port: number;
  home: string;
  host: string;
}

/** Runs git in a folder. Rejects with what git said. */
export function gitThrough(
  { port, home, host }: GitClient,
  cwd: string,
  ...args: string[]
): Promise<{ stdout: string; stderr: string }> {
  return run('git', args, {
    cwd,
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: home,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.com',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@example.com',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `url.http://127.0.0.1:${port}/git/${host}/.insteadOf`,
      GIT_CONFIG_VALUE_0: `https://${host}/`,
    },
  });
}
