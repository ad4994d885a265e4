import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../e2e/support/ports.js';
import { endProcesses, processesNaming } from '../e2e/support/processes.js';
import { Api } from './api.js';
import { BerthProcess } from './berth.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { TestRedis } from './redis.js';
import { startSplitter, type Splitter } from './splitter.js';

export interface ClusterOptions {
  apis?: number;
  workers?: number;
  /** Queue and notices on a Redis of the cluster's own; else on Postgres. */
  withRedis?: boolean;
  /** Machines are led to the first api that is there, not to each in turn. */
  toFirstApi?: boolean;
  /** The workers vouch for workspaces (workload identity), in the name of the balancer. */
  withIssuer?: boolean;
  /** More of every process' environment. */
  environment?: Record<string, string>;
}

/**
 * One Berth of several processes, as one scales it out on a single machine: `api-1`, `api-2`, `worker-1`, `worker-2`, … on one real Postgres and perhaps a Redis. Runners and proxies
 * reach the apis through a balancer; people call whichever api they like. Needs the built program, and a test database (Jest projects with Postgres).
 */
export class Cluster {
  readonly #members = new Map<string, BerthProcess>();

  private constructor(
    readonly database: TestDatabase,
    readonly redis: TestRedis | null,
    private readonly splitter: Splitter,
    /** Ada, the owner, calling `api-1`. */
    public api: Api,
  ) {}

  static async start({
    apis = 2,
    workers = 2,
    withRedis = false,
    toFirstApi = false,
    withIssuer = false,
    environment = {},
  }: ClusterOptions = {}): Promise<Cluster> {
    const database = await createTestDatabase();
    const redis = withRedis ? await TestRedis.start() : null;
    const ports = await Promise.all(Array.from({ length: apis }, freePort));
    const splitter = await startSplitter(ports, toFirstApi);
    const cluster = new Cluster(database, redis, splitter, new Api('', null, 'acme'));
    const shared = {
      DATABASE_URL: database.ownerUrl,
      BERTH_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      ...(redis ? { REDIS_URL: redis.url } : {}),
      ...environment,
    };
    try {
      const begin = async (name: string, own: Record<string, string>): Promise<void> => {
        cluster.#members.set(name, await BerthProcess.start({ ...shared, ...own }));
      };
      await Promise.all([
        ...ports.map((port, at) => begin(`api-${at + 1}`, { BERTH_ROLE: 'api', PORT: String(port) })),
        ...Array.from({ length: workers }, (_, at) =>
          begin(`worker-${at + 1}`, {
            BERTH_ROLE: 'worker',
            BERTH_INTERNAL_URL: splitter.url,
            ...(withIssuer ? { BERTH_PUBLIC_URL: splitter.url } : {}),
          }),
        ),
      ]);
      cluster.api = await cluster.process('api-1').setUp();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Any of the apis. */
  get balancerUrl(): string {
    return this.splitter.url;
  }

  get names(): string[] {
    return [...this.#members.keys()].sort();
  }

  process(name: string): BerthProcess {
    const found = this.#members.get(name);
    if (!found) throw new Error(`There is no ${name}.`);
    return found;
  }

  /** The same caller at this api. */
  at(name: string): Api {
    return this.api.at(this.process(name).url);
  }

  kill(name: string): Promise<void> {
    return this.process(name).kill();
  }

  /** Starts it again, with the port and the data directory it had. */
  start(name: string, extra: Record<string, string> = {}): Promise<void> {
    return this.process(name).start(extra);
  }

  /** Deletes a workspace and waits until it is gone. */
  async deleteWorkspace(id: string): Promise<void> {
    const { api } = this;
    await api.call('DELETE', api.path(`/workspaces/${id}`), undefined, 202);
    await api.poll(`workspace ${id} gone`, async () => {
      const { status } = await api.call('GET', api.path(`/workspaces/${id}`));
      return status === 404 ? true : null;
    });
  }

  /** The worker that has the files of a workspace; null while nobody has. Throws when more than one has. */
  hostOf(workspaceId: string): string | null {
    const found = this.names.filter((name) => existsSync(this.#filesOf(name, workspaceId)));
    if (found.length > 1) throw new Error(`One workspace is on ${found.join(' and ')}.`);
    return found[0] ?? null;
  }

  /** Where the files of a workspace are. */
  filesOf(workspaceId: string): string {
    const host = this.hostOf(workspaceId);
    if (host === null) throw new Error(`The workspace ${workspaceId} is nowhere.`);
    return this.#filesOf(host, workspaceId);
  }

  /** The folder that the agent works in. */
  treeOf(workspaceId: string): string {
    return path.join(this.filesOf(workspaceId), 'tree');
  }

  /** Stops everything, workers first, and removes every file; what a failed test left running is ended too. */
  async close(): Promise<void> {
    const members = this.names.reverse().map((name) => this.process(name));
    for (const member of members) {
      await member.stop();
      await endProcesses(() => processesNaming(member.dataDirectory));
      await member.remove();
    }
    await this.splitter.close();
    await this.redis?.remove();
    await this.database.drop();
  }

  #filesOf(name: string, workspaceId: string): string {
    return path.join(this.process(name).dataDirectory, 'workspaces', workspaceId);
  }
}
