import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runDoctor } from '../../src/app/doctor/index.js';
import { diagnose } from '../../src/config/index.js';
import type { CheckResult } from '../../src/contracts/index.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';

const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));
/** A key ring. */
export const KEYS = `k1:${Buffer.alloc(32, 1).toString('base64')}`;
/** Put it where a secret is: no finding may repeat it. */
export const CANARY = 'canary-password';

/** A machine that is well, for the doctor to examine: a database, upstreams that answer, an empty folder. A test breaks what it means to break. */
export class Examination {
  /** The data directory is `data` in it, and not there yet. */
  folder = '';
  /** How far the upstreams' clock is ahead of ours, in seconds. */
  upstreamIsAhead = 0;

  private constructor(
    readonly database: TestDatabase,
    readonly upstreamUrl: string,
    private readonly upstream: Server,
  ) {}

  static async start(): Promise<Examination> {
    const upstream = createServer((_request, response) => {
      const date = new Date(Date.now() + on.upstreamIsAhead * 1000).toUTCString();
      response.writeHead(404, { date }).end();
    });
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const on = new Examination(await createTestDatabase(), url, upstream);
    return on;
  }

  /** A new, empty folder, in place of the last one. */
  async freshFolder(): Promise<void> {
    await this.removeFolder();
    this.folder = await mkdtemp(path.join(tmpdir(), 'berth-doctor-test-'));
    this.upstreamIsAhead = 0;
  }

  async close(): Promise<void> {
    await this.removeFolder();
    this.upstream.close();
    this.upstream.closeAllConnections();
    await this.database.drop();
  }

  /** Runs the doctor in this environment, and answers its findings by their ids. */
  async examine(environment: Record<string, string> = {}): Promise<Record<string, CheckResult>> {
    const found: Record<string, CheckResult> = {};
    const usual = {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      BERTH_DATA_DIR: path.join(this.folder, 'data'),
      DATABASE_URL: this.database.ownerUrl,
      BERTH_ENCRYPTION_KEYS: KEYS,
      BERTH_ANTHROPIC_API_URL: this.upstreamUrl,
      BERTH_OPENAI_API_URL: this.upstreamUrl,
      BERTH_CLAUDE_TOKEN_URL: this.upstreamUrl,
      BERTH_OPENAI_AUTH_URL: this.upstreamUrl,
      BERTH_CHATGPT_API_URL: this.upstreamUrl,
      BERTH_GITHUB_URL: this.upstreamUrl,
    };
    await runDoctor(diagnose({ ...usual, ...environment }), MIGRATIONS, (line) => {
      if (line.type === 'result') found[line.result.id] = line.result;
    });
    if (JSON.stringify(found).includes(CANARY)) throw new Error('A finding repeats a secret.');
    return found;
  }

  private async removeFolder(): Promise<void> {
    if (this.folder !== '') await rm(this.folder, { recursive: true, force: true });
  }
}

/** The findings' statuses by their ids. */
export function statuses(found: Record<string, CheckResult>): Record<string, string> {
  return Object.fromEntries(Object.values(found).map(({ id, status }) => [id, status]));
}
