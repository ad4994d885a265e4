import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { BenchContext } from '../../bench.js';
import { found, within } from '../deadline.js';
import { ACCESS_TOKEN, startTokens } from './tokens.js';

const PROXY = path.join(import.meta.dirname, '../../../dist/proxy/main.js');
const NEEDED = { nginx: 'nginx-light', wrk: 'wrk' };
const BEARER = `Bearer ${ACCESS_TOKEN}`;
/** Of /proc/<pid>/stat, which counts in hundredths of a second on every Linux (proc(5), sysconf(3)). */
const TICK_MS = 10;

/** One way to the upstream, and the process that makes it. */
export interface Way {
  name: 'direct' | 'nginx' | 'barest' | 'Berth';
  /** Of `POST /v1/messages`. */
  url: string;
  /** Null for the way without a proxy. */
  pid: number | null;
  /** What a request must bring; null where the proxy puts it on. */
  authorization: string | null;
}

export interface Ways {
  direct: Way;
  nginx: Way;
  barest: Way;
  berth: Way;
}

/** Starts the upstream and, before it, the three proxies. */
export async function startWays(context: BenchContext): Promise<Ways> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'berth-bench-'));
  context.defer(() => rm(directory, { recursive: true, force: true }));
  const certificate = await selfSigned(directory);
  const upstream = await child(context, 'upstream.ts', [certificate.file, certificate.key, BEARER]);
  const base = `https://127.0.0.1:${upstream.port}`;
  const way = (name: Way['name'], url: string, pid: number | null): Way => ({
    name,
    url: `${url}/v1/messages`,
    pid,
    authorization: pid === null ? BEARER : null,
  });
  const barest = await child(context, 'barest.ts', [base, BEARER], certificate.file);
  const nginx = await startNginx(context, directory, upstream.port, certificate.file);
  const berth = await startBerth(context, base, certificate.file);
  return {
    direct: way('direct', base, null),
    nginx: way('nginx', nginx.url, nginx.pid),
    barest: way('barest', `http://127.0.0.1:${barest.port}`, barest.pid),
    berth: way('Berth', berth.url, berth.pid),
  };
}

/** Milliseconds of a processor that a process has used. */
export function processorTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** What to install before the bench can run; null when all is there. */
export async function missingPrograms(): Promise<string | null> {
  const found = await Promise.all(
    Object.entries(NEEDED).map(([program, packageName]) =>
      promisify(execFile)(program, ['-v']).then(
        () => null,
        (error: unknown) => ((error as NodeJS.ErrnoException).code === 'ENOENT' ? packageName : null),
      ),
    ),
  );
  const missing = found.filter((packageName) => packageName !== null);
  return missing.length === 0 ? null : `apt-get install ${missing.join(' ')}`;
}

async function selfSigned(directory: string): Promise<{ file: string; key: string }> {
  const [key, file] = [path.join(directory, 'key.pem'), path.join(directory, 'certificate.pem')];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', key, '-out', file, '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
  ]);
  return { file, key };
}

/** A program of this folder, which says its port when it listens. */
async function child(
  context: BenchContext,
  file: string,
  args: string[],
  trusted?: string,
): Promise<{ port: number; pid: number }> {
  const env = { ...process.env, ...(trusted === undefined ? {} : { NODE_EXTRA_CA_CERTS: trusted }) };
  const started = fork(path.join(import.meta.dirname, file), args, { env, execArgv: ['--import', 'tsx'] });
  context.defer(() => ended(started));
  const port = await within(
    `${file} listens`,
    new Promise<number>((resolve) => started.once('message', resolve)),
  );
  return { port, pid: started.pid ?? 0 };
}

async function startNginx(
  context: BenchContext,
  directory: string,
  upstreamPort: number,
  certificate: string,
): Promise<{ url: string; pid: number }> {
  const port = await freePort();
  const file = path.join(directory, 'nginx.conf');
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = folders.map((name) => `${name}_temp_path ${directory}/${name};`).join(' ');
  await writeFile(
    file,
    `daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr error;
     events { worker_connections 4096; }
     http {
       access_log off; ${temporary} client_body_buffer_size 1m; client_max_body_size 8m;
       upstream model { server 127.0.0.1:${upstreamPort}; keepalive 512; keepalive_requests 10000000; }
       server {
         listen 127.0.0.1:${port}; keepalive_requests 10000000;
         location / {
           proxy_pass https://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
           proxy_ssl_trusted_certificate ${certificate}; proxy_ssl_verify on; proxy_ssl_name 127.0.0.1;
           proxy_set_header x-api-key ""; proxy_set_header authorization "${BEARER}";
         }
       }
     }`,
  );
  const started = spawn('nginx', ['-p', directory, '-c', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  context.defer(() => ended(started));
  const url = `http://127.0.0.1:${port}`;
  await found('nginx answers', () => answers(url));
  return { url, pid: started.pid ?? 0 };
}

/** The built proxy on its own, with an identity that it renews: leases, holding and metering are on. */
async function startBerth(
  context: BenchContext,
  upstream: string,
  certificate: string,
): Promise<{ url: string; pid: number }> {
  const tokens = await startTokens();
  context.defer(tokens.close);
  const [anthropicPort, openaiPort] = [await freePort(), await freePort()];
  const started = spawn(process.execPath, [PROXY], {
    // It writes a line for each request, as it always does; nobody reads them.
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      NODE_EXTRA_CA_CERTS: certificate,
      BERTH_PROXY_ANTHROPIC_PORT: String(anthropicPort),
      BERTH_PROXY_OPENAI_PORT: String(openaiPort),
      ANTHROPIC_API_TARGET: upstream,
      AWF_AUTH_TYPE: 'github-oidc',
      AWF_AUTH_PROVIDER: 'anthropic',
      AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID: 'fdrl_bench',
      AWF_AUTH_ANTHROPIC_ORGANIZATION_ID: '00000000-0000-4000-8000-000000000000',
      AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID: 'svac_bench',
      AWF_AUTH_ANTHROPIC_TOKEN_URL: `${tokens.url}/v1/oauth/token`,
      ACTIONS_ID_TOKEN_REQUEST_URL: `${tokens.url}/oidc?version=1`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'bench',
    },
  });
  context.defer(() => ended(started));
  const url = `http://127.0.0.1:${anthropicPort}`;
  await found('the proxy is healthy', () => {
    if (started.exitCode !== null)
      throw new Error(
        `The proxy ended at its start (${started.exitCode}): run again, its port may be taken.`,
      );
    return answers(`${url}/health`);
  });
  return { url, pid: started.pid ?? 0 };
}

/** True when something answers there with anything but a 503; null while nothing does. */
function answers(url: string): Promise<true | null> {
  return new Promise((resolve) => {
    http
      .get(url, { agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode === 503 ? null : true);
      })
      .once('error', () => resolve(null));
  });
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

async function ended(started: ChildProcess): Promise<void> {
  if (started.exitCode !== null || started.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => started.once('exit', () => resolve()));
  started.kill('SIGTERM');
  const timer = setTimeout(() => started.kill('SIGKILL'), 5000);
  await exit;
  clearTimeout(timer);
}
