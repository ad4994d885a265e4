import { setImmediate } from 'node:timers/promises';
import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import { startGithubOidcEmulator, type GithubOidcEmulator } from '../emulators/github-oidc.js';
import type { Clock } from '../../src/kernel/index.js';
import { parseProxyAlone } from '../../src/config/proxy-alone.js';
import { Standalone } from '../../src/proxy/alone/standalone.js';
import type { Time } from '../../src/proxy/alone/time.js';
import type { Limits } from '../../src/proxy/limits.js';
import { RecordingLog } from '../../src/proxy/testing/proxy-under-test.js';

/** Time that stands still until a test moves it, and the work that waits for it. The proxy's clock may be off; nobody else's is. */
export class FakeTime implements Time {
  #now = Date.parse('2026-11-01T12:00:00Z');
  #off = 0;
  readonly #waiting = new Map<() => void, number>();
  /** What everybody else's clock says. */
  readonly others: Clock = { now: () => new Date(this.#now) };

  now(): Date {
    return new Date(this.#now + this.#off);
  }

  random(): number {
    return 0.5;
  }

  after(milliseconds: number, work: () => void): () => void {
    const mine = (): void => work();
    this.#waiting.set(mine, this.#now + milliseconds);
    return () => this.#waiting.delete(mine);
  }

  /** From now on the proxy's clock is off by so much. What waits still waits for as long as it did. */
  skew(milliseconds: number): void {
    this.#off = milliseconds;
  }

  /** Lets so much time pass. What falls due meanwhile is done at its time, and waited for until it waits again. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      // What was done last waits again when its calls have come to an end.
      while (this.#waiting.size === 0) await setImmediate();
      const [first] = [...this.#waiting].sort(([, a], [, b]) => a - b);
      if (!first || first[1] > end) break;
      this.#waiting.delete(first[0]);
      this.#now = Math.max(this.#now, first[1]);
      first[0]();
    }
    this.#now = end;
  }
}

const AUDIENCE = 'https://api.anthropic.com';
export const RULE = {
  id: 'fdrl_01Widget',
  organizationId: '00000000-0000-4000-8000-000000000001',
  serviceAccountId: 'svac_01Widget',
};

/** GitHub's and Anthropic's endpoints, and what a proxy on its own is given to use them; all at one time that the test moves. */
export class AloneGround {
  readonly log = new RecordingLog();
  readonly #open: Standalone[] = [];

  private constructor(
    readonly time: FakeTime,
    readonly anthropic: AnthropicEmulator,
    readonly github: GithubOidcEmulator,
  ) {}

  /** `isReal`: on the machine's own time, for processes. */
  static async start(isReal = false): Promise<AloneGround> {
    const time = new FakeTime();
    const clock = isReal ? {} : { clock: time.others };
    const [anthropic, github] = [await startAnthropicEmulator(clock), await startGithubOidcEmulator(clock)];
    const ground = new AloneGround(time, anthropic, github);
    ground.rule();
    return ground;
  }

  /** Makes the federation rule at Anthropic, or changes it. */
  rule(more: { tokenSeconds?: number; subjectPrefix?: string } = {}): void {
    this.anthropic.logins.federation.set({
      ...RULE,
      issuer: this.github.url,
      jwks: { url: this.github.jwksUrl },
      subjectPrefix: 'repo:acme@1/widget@2:*',
      audience: AUDIENCE,
      workspaces: ['wrkspc_01Widget'],
      tokenSeconds: 600,
      ...more,
    });
  }

  /** The environment of a job of GitHub Actions with workload identity. */
  get environment(): Record<string, string> {
    return {
      AWF_AUTH_TYPE: 'github-oidc',
      AWF_AUTH_PROVIDER: 'anthropic',
      AWF_AUTH_ANTHROPIC_FEDERATION_RULE_ID: RULE.id,
      AWF_AUTH_ANTHROPIC_ORGANIZATION_ID: RULE.organizationId,
      AWF_AUTH_ANTHROPIC_SERVICE_ACCOUNT_ID: RULE.serviceAccountId,
      AWF_AUTH_ANTHROPIC_TOKEN_URL: `${this.anthropic.url}/v1/oauth/token`,
      ACTIONS_ID_TOKEN_REQUEST_URL: this.github.requestUrl,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: this.github.requestToken,
      ...this.places,
    };
  }

  /** Where requests go, and any ports that are free. */
  get places(): Record<string, string> {
    return {
      ANTHROPIC_API_TARGET: this.anthropic.url,
      BERTH_PROXY_ANTHROPIC_PORT: '0',
      BERTH_PROXY_OPENAI_PORT: '0',
    };
  }

  async listen(environment = this.environment, limits: Partial<Limits> = {}): Promise<Standalone> {
    const { time, log } = this;
    const standalone = new Standalone(parseProxyAlone(environment), {
      log,
      time,
      limits: { notYetSeconds: 0.01, ...limits },
    });
    this.#open.push(standalone);
    await standalone.listen();
    return standalone;
  }

  /** The exchanges that were asked for. */
  get exchanges(): number {
    return this.anthropic.requests.filter(({ path }) => path === '/v1/oauth/token').length;
  }

  /** Everything that must stand in no log and no answer. */
  get secrets(): string[] {
    const { federation } = this.anthropic.logins;
    return [this.github.requestToken, ...this.github.minted, ...federation.assertions, ...federation.tokens];
  }

  async reset(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((each) => each.close(0)));
    this.anthropic.reset();
    this.github.reset();
    this.rule();
    this.log.lines.length = 0;
    this.time.skew(0);
  }

  async close(): Promise<void> {
    await this.reset();
    await Promise.all([this.anthropic.close(), this.github.close()]);
  }
}

const HELLO = JSON.stringify({
  model: 'claude-sonnet-4-5',
  max_tokens: 10,
  messages: [{ role: 'user', content: 'hello' }],
});

/** A model call as an agent makes it, with a placeholder that is worth nothing. */
export function call(
  port: number,
  more: { path?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Response> {
  const { path = '/v1/messages?beta=true', headers, body = HELLO } = more;
  return fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer sk-ant-placeholder',
      'anthropic-beta': 'one-2025-01-01',
      ...headers,
    },
    body,
  });
}

export async function health(port: number): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`http://127.0.0.1:${port}/health`);
  return { status: answer.status, body: await answer.json() };
}
