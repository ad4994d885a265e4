import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { sendHead, writeOut } from './answers.js';
import type { Exchange } from './exchange.js';

/** Where git is and where its bare repositories are. */
export interface GitPlace {
  /** The program; found on PATH when it is no path. */
  git: string;
  /** Folder of the bare repositories, `<owner>/<name>.git`. */
  root: string;
}

/** Nothing of this machine's git settings may change how the server behaves, and pushing is on without touching each repository. */
function serverEnvironment({ root }: GitPlace): Record<string, string> {
  const settings = { 'http.receivepack': 'true', 'safe.directory': '*' };
  const numbered = Object.entries(settings).flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: root,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_COUNT: String(Object.keys(settings).length),
    ...(Object.fromEntries(numbered) as Record<string, string>),
  };
}

/**
 * Answers one request with `git http-backend`, a CGI program (RFC 3875): request in its environment and on its standard input, answer on
 * its standard output. With `cutAfterPieces` the connection is closed after so many pieces of the body.
 */
export async function serveWithGit(
  place: GitPlace,
  exchange: Exchange,
  pathInfo: string,
  cutAfterPieces: number | null,
  /** For the repository's hooks. */
  environment: Record<string, string> = {},
): Promise<void> {
  const { request, response, entry, signal } = exchange;
  const { headers } = request;
  const backend = spawn(place.git, ['http-backend'], {
    env: {
      ...serverEnvironment(place),
      ...environment,
      GIT_PROJECT_ROOT: place.root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathInfo,
      REQUEST_METHOD: entry.method,
      QUERY_STRING: entry.query.replace(/^\?/, ''),
      REMOTE_ADDR: '127.0.0.1',
      CONTENT_TYPE: headers['content-type'] ?? '',
      // Absent for chunked bodies; git then reads to the end.
      ...(headers['content-length'] === undefined ? {} : { CONTENT_LENGTH: headers['content-length'] }),
      ...(headers['content-encoding'] === undefined
        ? {}
        : { HTTP_CONTENT_ENCODING: headers['content-encoding'] }),
      ...(typeof headers['git-protocol'] === 'string' ? { GIT_PROTOCOL: headers['git-protocol'] } : {}),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const failed = new Promise<never>((_resolve, reject) => backend.once('error', reject));
  const stop = (): void => void backend.kill();
  signal.addEventListener('abort', stop, { once: true });
  // git closes its input early when it refuses a request; the answer then says why.
  backend.stdin.on('error', () => undefined);
  request.pipe(backend.stdin);
  try {
    await Promise.race([failed, relay(exchange, backend.stdout, cutAfterPieces)]);
    if (!request.socket.destroyed) response.end();
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function relay(
  exchange: Exchange,
  output: AsyncIterable<Buffer>,
  cutAfterPieces: number | null,
): Promise<void> {
  let pending = Buffer.alloc(0);
  let headSent = false;
  let pieces = 0;
  for await (const chunk of output) {
    let body = chunk;
    if (!headSent) {
      pending = Buffer.concat([pending, chunk]);
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) continue;
      sendCgiHead(exchange, pending.subarray(0, end).toString('latin1'));
      headSent = true;
      body = pending.subarray(end + 4);
    }
    await writeOut(exchange.response, body);
    pieces += 1;
    if (pieces === cutAfterPieces) {
      exchange.request.socket.destroy();
      return;
    }
  }
  if (!headSent) throw new Error('git http-backend ended without an answer');
}

function sendCgiHead(exchange: Exchange, head: string): void {
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n')) {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) headers[name] = value;
  }
  const { Status: status = '200', ...rest } = headers;
  sendHead(exchange, Number.parseInt(status, 10), rest);
}

/** Makes a bare repository with one commit on `main`. Rejects when git fails, with what it said. */
export async function createBareRepository(
  place: GitPlace,
  repository: string,
  files: Record<string, string>,
): Promise<string> {
  const directory = join(place.root, `${repository}.git`);
  await runGit(place, ['init', '--quiet', '--bare', '--initial-branch=main', directory], '');
  await runGit(place, ['--git-dir', directory, 'fast-import', '--quiet'], firstCommit(files));
  return directory;
}

/** Makes a bare repository with the commits of another one, as a fork has them. Rejects when git fails. */
export async function forkBareRepository(place: GitPlace, from: string, to: string): Promise<string> {
  const directory = join(place.root, `${to}.git`);
  await runGit(place, ['clone', '--quiet', '--bare', join(place.root, `${from}.git`), directory], '');
  return directory;
}

/** The stream of git-fast-import(1) for one commit. Lengths are in bytes. */
function firstCommit(files: Record<string, string>): string {
  return [
    'commit refs/heads/main\n',
    'committer Emulator <emulator@berth.invalid> 1767225600 +0000\n',
    data('First commit'),
    ...changesOf(files),
  ].join('');
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}

function changesOf(files: Record<string, string>): string[] {
  return Object.entries(files).map(([path, content]) => `M 100644 inline ${path}\n${data(content)}`);
}

/** Adds a commit to a branch, which begins where `from` is when it is new. Rejects when git fails. */
export async function commitToBare(
  place: GitPlace,
  repository: string,
  commit: { branch: string; from: string; message: string; author: string; files: Record<string, string> },
): Promise<void> {
  const directory = join(place.root, `${repository}.git`);
  const { branch, from, message, author, files } = commit;
  const there = await askGit(place, repository, ['rev-parse', '--verify', '--quiet', `refs/heads/${branch}`]);
  const parent = there ? `refs/heads/${branch}` : `refs/heads/${from}`;
  const lines = [
    `commit refs/heads/${branch}\n`,
    `committer ${author} 1767225700 +0000\n`,
    data(message),
    `from ${parent}^0\n`,
    ...changesOf(files),
  ];
  await runGit(place, ['--git-dir', directory, 'fast-import', '--quiet'], lines.join(''));
}

/** What git says about a bare repository; null when it refuses (no such branch, no such file). */
export function askGit(place: GitPlace, repository: string, args: string[]): Promise<Buffer | null> {
  const directory = join(place.root, `${repository}.git`);
  const settings = {
    env: serverEnvironment(place),
    encoding: 'buffer',
    maxBuffer: 64 * 1024 * 1024,
  } as const;
  return new Promise((resolve) => {
    execFile(place.git, ['--git-dir', directory, ...args], settings, (error, stdout) =>
      resolve(error ? null : stdout),
    );
  });
}

function runGit(place: GitPlace, args: string[], input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(place.git, args, { env: serverEnvironment(place) }, (error, _stdout, stderr) =>
      error ? reject(new Error(`git ${args[0] ?? ''} failed: ${stderr || error.message}`)) : resolve(),
    );
    // `git init` reads nothing and may have ended by now; its exit code says how it went.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
