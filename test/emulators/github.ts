import { systemClock, type Clock } from '../../src/kernel/index.js';
import { playFailure, readBody, sendHalf, sendHead, sendJson } from './answers.js';
import type { Emulator } from './emulator.js';
import type { Exchange } from './exchange.js';
import type { Failure } from './failures.js';
import { appRoutes, GithubConversions } from './github-apps.js';
import {
  GithubRefusal,
  type GithubAnswer,
  type GithubCall,
  type GithubCaller,
  type GithubRoute,
} from './github-call.js';
import { GithubEvents } from './github-events.js';
import { GithubGit } from './github-git.js';
import { graphqlRoute } from './github-graphql.js';
import { GithubHooks } from './github-hooks.js';
import { conversationRoutes } from './github-issues.js';
import { GithubLimits } from './github-limits.js';
import { GithubMaking } from './github-making.js';
import { GithubPages, type GithubBrowser } from './github-oauth.js';
import { peopleRoutes } from './github-people.js';
import { pullRoutes } from './github-pulls.js';
import { repositoryRoutes } from './github-repositories.js';
import { GithubTokens } from './github-tokens.js';
import { GithubWorld, type GithubPush } from './github-world.js';
import type { GitEmulatorOptions } from './git.js';
import { EmulatorServer } from './server.js';

/** GitHub: its API below `/api/v3`, GraphQL at `/api/graphql`, pages and git at the root, as an Enterprise Server has them. */
export interface GithubEmulator extends Emulator {
  /** `BASE/api/v3`, as Octokit wants it. */
  readonly apiUrl: string;
  readonly world: GithubWorld;
  readonly make: GithubMaking;
  /** Bodies of events about what there is. */
  readonly events: GithubEvents;
  readonly hooks: GithubHooks;
  readonly tokens: GithubTokens;
  readonly limits: GithubLimits;
  /** Who sits at the browser. */
  readonly browser: GithubBrowser;
  readonly pages: GithubPages;
  readonly git: GithubGit;
  /** What was pushed, and by whom. */
  readonly pushes: readonly GithubPush[];
  /** What was sent to the API, in order of arrival: only calls that had an effect or a body. */
  readonly sent: readonly GithubSent[];
  /** How many calls are held now (`hold-before`, `hold-after`). */
  readonly waiting: number;
}

/** One call that was taken, with its body. */
export interface GithubSent {
  method: string;
  /** Below `/api/v3`. */
  path: string;
  body: Record<string, unknown>;
  /** `installation/<id>`, `app/<slug>`, a person's login; empty for nobody. */
  by: string;
  status: number;
}

/** Where the API is on this address. */
const API = '/api/v3';
const GRAPHQL = '/api/graphql';

/** Starts GitHub on loopback. Rejects when the port is taken. */
export async function startGithubEmulator(options: GitEmulatorOptions): Promise<GithubEmulator> {
  const server = new GithubServer(options);
  await server.listen(options.port ?? 0);
  return server;
}

class GithubServer extends EmulatorServer<null> implements GithubEmulator {
  readonly world = new GithubWorld();
  readonly limits = new GithubLimits();
  readonly browser: GithubBrowser = { user: null, target: null, repositoryIds: null };
  readonly tokens: GithubTokens;
  readonly git: GithubGit;
  readonly make: GithubMaking;
  readonly events: GithubEvents;
  readonly hooks: GithubHooks;
  readonly pages: GithubPages;
  sent: GithubSent[] = [];
  protected override readonly controls = {
    'POST /_control/github/deliver': (body: unknown) => this.#deliver(body),
    'GET /_control/github/deliveries': () => ({ items: this.hooks.deliveries }),
    'GET /_control/github/sent': () => ({ items: this.sent }),
  };
  readonly #routes: GithubRoute[];
  readonly #now: Clock;

  constructor(options: GitEmulatorOptions) {
    super(options, (exchange) => this.#answer(exchange), null);
    const clock = (this.#now = options.clock ?? systemClock);
    const { world } = this;
    this.tokens = new GithubTokens(world, clock);
    const place = { git: options.git ?? 'git', root: options.root };
    this.git = new GithubGit(world, place, (token) => this.tokens.holder(token));
    this.make = new GithubMaking(world, this.git, () => clock.now().toISOString());
    this.events = new GithubEvents(world, this.git);
    this.hooks = new GithubHooks(world, clock);
    const conversions = new GithubConversions();
    this.pages = new GithubPages(world, this.tokens, conversions, this.browser, clock, {
      app: (manifest, owner) => this.make.appOfManifest(manifest, owner),
      installation: (app, target, ids) => this.make.installation(app, target, ids),
    });
    this.#routes = [
      ...appRoutes(world, this.tokens, conversions),
      ...peopleRoutes(world, this.tokens),
      ...repositoryRoutes(world, this.git),
      ...conversationRoutes(world),
      ...pullRoutes(world, this.git),
      ...this.hooks.routes(),
    ];
  }

  get apiUrl(): string {
    return `${this.url}${API}`;
  }

  get pushes(): readonly GithubPush[] {
    return this.git.pushes();
  }

  override reset(): void {
    super.reset();
    this.sent = [];
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { entry } = exchange;
    const failure = this.failures.take(entry, true);
    if (await this.git.serve(exchange, failure)) return;
    if (failure && playFailure(exchange, failure, { message: 'Server Error' })) return;
    if (failure?.mode === 'hold-before') await this.gate.next(exchange.signal);
    const answer = await this.#read(exchange)
      .then((call) => this.#answerOf(call))
      .catch((error: unknown) => refusalOf(error));
    if (failure?.mode === 'hold-after') await this.gate.next(exchange.signal);
    await send(exchange, answer, failure);
  }

  async #read({ request, entry }: Exchange): Promise<GithubCall> {
    const text = await readBody(request);
    const now = this.#now.now().toISOString();
    const query = new URLSearchParams(entry.query);
    const form = entry.headers['content-type']?.includes('urlencoded');
    const body = form ? Object.fromEntries(new URLSearchParams(text)) : bodyOf(text);
    return { entry, params: {}, query, body, caller: { by: 'nobody' }, now };
  }

  async #answerOf(call: GithubCall): Promise<GithubAnswer> {
    const page = await this.pages.answer(call);
    if (page) return page;
    const path = pathOf(call.entry.path);
    call.caller = await this.#caller(call);
    const [route, params] = this.#find(call.entry.method, path);
    const answer = await this.#limited({ ...call, params }, route);
    if (call.entry.method !== 'GET')
      this.sent.push({
        method: call.entry.method,
        path,
        body: call.body,
        by: holderOf(call.caller),
        status: answer.status,
      });
    return answer;
  }

  async #limited(call: GithubCall, route: GithubRoute): Promise<GithubAnswer> {
    const holder = holderOf(call.caller);
    // The App's own calls and those of nobody are not what is measured here.
    if (call.caller.by !== 'installation' && call.caller.by !== 'user') return route.handle(call);
    try {
      const now = this.#now.now().getTime();
      const headers = this.limits.enter(holder, call.entry.method, route.content, now);
      const answer = await Promise.resolve(route.handle(call)).catch((error: unknown) => refusalOf(error));
      return { ...answer, headers: { ...headers, ...answer.headers } };
    } finally {
      this.limits.leave(holder);
    }
  }

  #find(method: string, path: string): [GithubRoute, Record<string, string>] {
    for (const route of this.#routes) {
      const match = route.method === method ? route.path.exec(path) : null;
      if (!match) continue;
      const named = Object.entries(match.groups ?? {});
      return [route, Object.fromEntries(named.map(([name, value]) => [name, decodeURIComponent(value)]))];
    }
    if (method === 'POST' && path === '/graphql') return [graphqlRoute(this.world), {}];
    throw new GithubRefusal(404, 'Not Found');
  }

  async #caller({ entry }: GithubCall): Promise<GithubCaller> {
    const token = /^(?:token|bearer)\s+(.+)$/i.exec(entry.headers.authorization ?? '')?.[1];
    if (token === undefined) return { by: 'nobody' };
    // The long form of an installation token has a JWT in it, and is none.
    if (/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return { by: 'app', app: await this.tokens.signer(token) };
    const caller = this.tokens.holder(token);
    if (!caller) throw new GithubRefusal(401, 'Bad credentials');
    return caller;
  }

  async #deliver(given: unknown): Promise<unknown> {
    const { event, body, ...options } = given as { event: string; body: unknown; guid?: string };
    const { guid, id, status, statusCode } = await this.hooks.deliver(event, body, options);
    return { guid, id, status, statusCode };
  }
}

async function send(exchange: Exchange, answer: GithubAnswer, failure: Failure | null): Promise<void> {
  const { status, body, headers = {} } = answer;
  if (failure?.mode === 'lost-answer') {
    exchange.request.socket.resetAndDestroy();
  } else if (failure?.mode === 'cut-mid-stream') {
    await sendHalf(exchange, 'application/json', JSON.stringify(body ?? {}));
  } else if (failure?.mode === 'garbage') {
    sendHead(exchange, status, { 'content-type': 'application/json' });
    exchange.response.end('{"id": ');
  } else if (body === undefined) {
    sendHead(exchange, status, headers);
    exchange.response.end();
  } else if (typeof body === 'string') {
    sendHead(exchange, status, { 'content-type': 'text/plain', ...headers });
    exchange.response.end(body);
  } else {
    sendJson(exchange, status, body, { 'content-type': 'application/json; charset=utf-8', ...headers });
  }
}

function refusalOf(error: unknown): GithubAnswer {
  if (!(error instanceof GithubRefusal)) throw error;
  return { status: error.status, body: error.body, headers: error.headers };
}

function bodyOf(text: string): Record<string, unknown> {
  if (text === '') return {};
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new GithubRefusal(400, 'Problems parsing JSON');
  }
}

function pathOf(path: string): string {
  if (path === GRAPHQL) return '/graphql';
  if (!path.startsWith(`${API}/`)) throw new GithubRefusal(404, 'Not Found');
  return path.slice(API.length);
}

function holderOf(caller: GithubCaller): string {
  if (caller.by === 'installation') return `installation/${caller.installation.id}`;
  if (caller.by === 'app') return `app/${caller.app.slug}`;
  return caller.by === 'user' ? caller.user.login : '';
}
