import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '..', '..');
const script = path.join(root, 'test', 'support', 'embedded-child.ts');
const NOBODY = 65534;

/** What a child said: the URL, or why it did not start. */
export interface ChildAnswer {
  ownerUrl?: string;
  code?: string;
  message?: string;
}

/** A process that holds, or was refused, an embedded Postgres. */
export interface EmbeddedChild {
  pid: number;
  answer: ChildAnswer;
  /** Sends the signal and waits for the end of the process. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts `embedded-child.ts` on the directory, as the user who runs the tests. */
export async function startChild(directory: string): Promise<EmbeddedChild> {
  return answerOf(spawnChild([], directory, {}));
}

/**
 * Starts `embedded-child.ts` as an ordinary user who owns `home`; the cluster goes to `home/postgres`. Where that user cannot
 * read the checkout (below a root home), in a user namespace in which the process is that user and has no right of root.
 */
export async function startChildAsOrdinaryUser(home: string): Promise<EmbeddedChild> {
  const directory = path.join(home, 'postgres');
  if (process.getuid?.() !== 0) return startChild(directory);
  if (await nobodyReads(script)) {
    await chown(home, NOBODY, NOBODY);
    return answerOf(spawnChild([], directory, { uid: NOBODY, gid: NOBODY, home }));
  }
  const prefix = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--'];
  await run('unshare', [...prefix.slice(1), 'true']).catch((cause: unknown) => {
    throw new Error(
      'User nobody cannot read this checkout and user namespaces are off: make its folders passable (chmod o+x).',
      { cause },
    );
  });
  return answerOf(spawnChild(prefix, directory, { home }));
}

async function nobodyReads(file: string): Promise<boolean> {
  const probe = 'require("fs").accessSync(process.argv[1], 4)';
  try {
    await run(process.execPath, ['-e', probe, file], { uid: NOBODY, gid: NOBODY, cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

function spawnChild(
  prefix: string[],
  directory: string,
  { uid, gid, home }: { uid?: number; gid?: number; home?: string },
): ChildProcess {
  const command = [...prefix, process.execPath, '--import', 'tsx', script, directory];
  return spawn(command[0] ?? '', command.slice(1), {
    cwd: root,
    uid,
    gid,
    env: { ...process.env, NODE_OPTIONS: '', ...(home === undefined ? {} : { HOME: home, TMPDIR: home }) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

async function answerOf(child: ChildProcess): Promise<EmbeddedChild> {
  const exited = once(child, 'exit');
  const answer = await Promise.race([
    once(child, 'message').then(([message]) => message as ChildAnswer),
    exited.then(([code]) => ({ code: 'exited', message: String(code) })),
  ]);
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return { pid: child.pid ?? 0, answer, end };
}

/** Runs one statement on a connection of its own. */
export async function query<T extends object>(url: string, sql: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Waits until `condition` gives something and no longer throws; fails with its last error after `deadlineMs`. */
export async function eventually<T>(
  condition: () => Promise<T | undefined>,
  deadlineMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  let last: unknown = new Error('The condition never held.');
  while (performance.now() < deadline) {
    try {
      const value = await condition();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw last;
}
