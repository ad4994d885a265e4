import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageView } from '../../../src/contracts/index.js';
import { silentLog } from '../../../src/kernel/index.js';
import { begin } from '../../../src/proxy/testing/http.js';
import { Workspaces } from '../../../src/proxy/workspaces.js';
import { Reconciler } from '../../../src/workspaces/reconciler.js';
import type { Api } from '../../support/api.js';
import type { TestApp, TestMember } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { machinesOf, type TestRunner } from '../../support/machines.js';

const PLACEHOLDER = 'placeholder-of-a-figure';

/** What came of one model call. */
export interface Call {
  status: number;
  text: string;
  /** The answer came to its own end. */
  whole: boolean;
}

/** The real proxy of a host, in this process. */
export function startProxyOf(app: TestApp, anthropicUrl: string): Workspaces {
  const nowhere = 'http://127.0.0.1:9';
  return new Workspaces({
    internalUrl: app.url,
    anthropicUrl,
    openaiUrl: nowhere,
    chatgptUrl: nowhere,
    bedrockUrl: nowhere,
    bedrockModels: {},
    log: silentLog,
  });
}

/** A workspace of a member with its way out through the real proxy, and a client at it that stands in for Claude Code. */
export class StandIn {
  readonly #folder = mkdtempSync(join(tmpdir(), 'berth-stand-in-'));
  #starts = 0;
  #runner: TestRunner | null = null;

  private constructor(
    private readonly app: TestApp,
    private readonly proxy: Workspaces,
    private readonly organizationId: string,
    readonly id: string,
  ) {}

  static async open(
    app: TestApp,
    proxy: Workspaces,
    organization: { id: string },
    member: TestMember,
    repository = 'acme/app',
  ): Promise<StandIn> {
    const { id } = await member.api.createWorkspace({ repository, agent: 'claude' });
    return StandIn.at(app, proxy, organization, id);
  }

  /** At a workspace that is there already and starts for the first time. */
  static async at(
    app: TestApp,
    proxy: Workspaces,
    organization: { id: string },
    id: string,
  ): Promise<StandIn> {
    const standIn = new StandIn(app, proxy, organization.id, id);
    await standIn.started();
    return standIn;
  }

  /** Has it started once more, as its host does; its way out is opened with what the host was told. Its runner says hello, and that the tree is there. */
  async started(): Promise<void> {
    await this.reconcile();
    this.#starts += 1;
    const { runner, proxy, git } = await machinesOf(this.app, this.id, this.#starts);
    await runner.start();
    this.#runner = runner;
    await this.proxy.open({
      type: 'open',
      requestId: this.id,
      workspaceId: this.id,
      socketPath: this.socket,
      placeholder: PLACEHOLDER,
      proxyToken: proxy.token,
      git,
    });
  }

  /** Puts it to sleep; its way out is closed, as its host does it. */
  async sleep(api: Api): Promise<void> {
    await api.post(api.path(`/workspaces/${this.id}/hibernate`), undefined, 202);
    await this.reconcile();
    await api.untilState(this.id, 'hibernated');
    await this.proxy.close(this.id);
    this.#runner = null;
  }

  /** A message of a person, which wakes it where it sleeps; its turn is one model call. Answers how it ended. */
  async turn(api: Api, text: string): Promise<MessageView> {
    const { id } = await api.send(this.id, text);
    await this.work(text);
    return api.untilEnded(this.id, id);
  }

  /** The turn that waits, as one model call; its answer is this text. */
  async work(text: string): Promise<void> {
    if (!this.#runner) await this.started();
    const runner = this.#runner as unknown as TestRunner;
    const turn = await runner.claim(20);
    const { status, whole } = await this.ask(text);
    const failed = {
      result: 'failed',
      code: 'model-call',
      message: `It was answered with ${status}.`,
    } as const;
    const outcome = status === 200 && whole ? ({ result: 'completed' } as const) : failed;
    const items = runner.number(runner.answer(turn, text), runner.finished(turn, outcome));
    // The end waits for the proxy's receipt.
    await eventually(
      'the end is stored',
      async () => (await runner.send(items)).body.acknowledged === runner.n,
    );
  }

  reconcile(): Promise<unknown> {
    const reconciler = this.app.app.get(Reconciler, { strict: false });
    return reconciler.reconcile({ organizationId: this.organizationId, workspaceId: this.id });
  }

  /** Its way out. */
  get socket(): string {
    return join(this.#folder, 's');
  }

  /** Asks the model; `onFirst` is called when the first piece of an answer is there. */
  async ask(text: string, onFirst: () => void = () => undefined): Promise<Call> {
    const { response } = await begin(this.socket, {
      path: '/anthropic/v1/messages',
      headers: {
        'x-api-key': PLACEHOLDER,
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        // The one that serves logins of whatever client.
        model: 'claude-haiku-4-5',
        max_tokens: 1000,
        stream: true,
        messages: [{ role: 'user', content: text }],
      }),
    });
    return { status: response.statusCode ?? 0, ...(await read(response, onFirst)) };
  }

  async close(): Promise<void> {
    await this.proxy.close(this.id);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function read(response: http.IncomingMessage, onFirst: () => void): Promise<Omit<Call, 'status'>> {
  let text = '';
  response.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.includes('text_delta')) onFirst();
  });
  response.on('error', () => undefined);
  await once(response, 'close').catch(() => undefined);
  return { text, whole: response.complete };
}
