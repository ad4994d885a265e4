import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLog } from '../../src/app/log.js';
import { testCli } from '../../src/cli/testing/test-cli.js';
import { openTracer, type OpenTracer } from '../../src/telemetry/open-tracer.js';
import { silentLog, type Log } from '../../src/kernel/index.js';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import { startCollectorEmulator, type CollectorEmulator } from '../emulators/collector.js';
import { startGithubEmulator, type GithubEmulator } from '../emulators/github.js';
import { startLinearEmulator, type LinearEmulator } from '../emulators/linear.js';
import { startOpenaiEmulator, type OpenaiEmulator } from '../emulators/openai.js';
import { federation, loginEndpoints, startTestApp, type TestApp } from './app.js';
import { Canary, searchCanaries, type SearchedPlaces } from './canary.js';
import { requestJson } from './http.js';
import { TestRedis } from './redis.js';
import { watchRows } from './row-watch.js';

export type Store = 'Postgres' | 'Redis';

/** Every place of a Berth as text, by name, besides its database. */
export type Texts = Record<'log' | 'traces' | 'metrics' | 'command' | 'redis' | 'sent to redis', string>;

/** The app with all that it says kept, to be searched for secrets: at debug level, traced, with each row as it was each time it was written, and all that is sent to Redis. */
export class CanaryBerth {
  readonly canaries: Canary[] = [];
  /** What the API answered, headers too, but for what hands a secret out. */
  readonly answers: string[] = [];
  #printed = '';

  private constructor(
    readonly app: TestApp,
    readonly claude: AnthropicEmulator,
    readonly openai: OpenaiEmulator,
    readonly linear: LinearEmulator,
    /** Without an App: Berth makes its own. */
    readonly github: GithubEmulator,
    private readonly folder: string,
    /** For what is not in the app, and logs as it does. */
    readonly log: Log,
    private readonly logged: { text: string },
    private readonly collector: CollectorEmulator,
    private readonly tracer: OpenTracer,
    private readonly redis: TestRedis | null,
    private readonly sent: Awaited<ReturnType<TestRedis['watch']>> | null,
  ) {}

  static async start(store: Store): Promise<CanaryBerth> {
    const logged = { text: '' };
    const log = createLog('debug', { write: (line) => void (logged.text += line) });
    const claude = await startAnthropicEmulator();
    const openai = await startOpenaiEmulator();
    openai.logins.intervalSeconds = 1;
    const clientSecret = randomBytes(24).toString('base64url');
    const linear = await startLinearEmulator({ app: { clientSecret } });
    const folder = await mkdtemp(path.join(tmpdir(), 'berth-canary-github-'));
    const github = await startGithubEmulator({ root: folder });
    const collector = await startCollectorEmulator();
    const url = `${collector.url}/v1/traces`;
    const settings = { url, headers: {}, serviceName: 'berth', resource: {}, ratio: 1 } as const;
    const tracer = await openTracer({ ...settings, sampler: 'parentbased_always_on' }, 'berth', silentLog);
    const redis = store === 'Redis' ? await TestRedis.start() : null;
    const sent = redis && (await redis.watch());
    const app = await startTestApp({
      log,
      worker: true,
      redisUrl: redis?.url,
      parts: {
        tracer: tracer.tracer,
        loginEndpoints: loginEndpoints({ claude: claude.url, openai: openai.url, linear, github }),
        federation: federation(claude.url),
      },
    });
    await watchRows(app.database.ownerUrl, ['public', 'bullmq']);
    const upstreams = [claude, openai, linear, github] as const;
    return new CanaryBerth(app, ...upstreams, folder, log, logged, collector, tracer, redis, sent);
  }

  /** A request whose answer is remembered. */
  async call<T>(method: string, path: string, body?: unknown, bearer?: string): Promise<T> {
    const answer = await this.#request<T>(method, path, body, bearer);
    this.heard(`${method} ${path}`, `${JSON.stringify(answer.body)} ${JSON.stringify([...answer.headers])}`);
    return answer.body;
  }

  heard(request: string, answer: string): void {
    this.answers.push(`${request}: ${answer}`);
  }

  /** Its answer is what hands a secret out, and so is not searched. */
  async handOut<T>(
    path: string,
    body: unknown,
    bearer?: string,
    headers?: Record<string, string>,
  ): Promise<T> {
    return (await this.#request<T>('POST', path, body, bearer, headers)).body;
  }

  /** A secret that Berth made; what stands before its random part is public. Answers it. */
  remember(name: string, text: string): string {
    this.canaries.push(new Canary(name, '', text.replace(/^berth_[a-z2-7]{8}_/, '')));
    return text;
  }

  /** Runs the command `berth` with this key; what it prints is remembered. */
  async command(apiKey: string, input: string, ...args: string[]): Promise<number> {
    const cli = testCli(this.app.url, apiKey, { readInput: () => Promise.resolve(input) });
    const code = await cli.run(...args);
    this.#printed += `${args.join(' ')} (${code})\n${cli.out}${cli.err}`;
    return code;
  }

  /** Everything but the database. Ends the tracing, so that nothing is still on its way. */
  async texts(): Promise<Texts> {
    await this.tracer.close();
    const keys = this.redis ? await this.redis.dump() : new Map<string, string>();
    return {
      log: this.logged.text,
      traces: this.collector.bodies.join('\n'),
      metrics: await this.app.parts.metrics.text(),
      command: this.#printed,
      redis: [...keys].map((pair) => pair.join(' ')).join('\n'),
      'sent to redis': this.sent?.text() ?? '',
    };
  }

  search({ log, ...others }: Texts, more: Partial<SearchedPlaces> = {}): Promise<string[]> {
    const { answers, app } = this;
    const places = { log, answers, others, ownerUrl: app.database.ownerUrl, ...more };
    return searchCanaries(this.canaries, places);
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.tracer.close();
    await this.collector.close();
    await Promise.all([this.claude, this.openai, this.linear, this.github].map((each) => each.close()));
    await rm(this.folder, { recursive: true, force: true });
    this.sent?.stop();
    await this.redis?.remove();
  }

  #request<T>(
    method: string,
    path: string,
    body?: unknown,
    bearer?: string,
    headers: Record<string, string> = {},
  ) {
    const all = bearer === undefined ? headers : { ...headers, authorization: `Bearer ${bearer}` };
    return requestJson<T>(`${this.app.url}${path}`, method, body, all);
  }
}
