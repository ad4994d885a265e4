import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import type { CredentialView, MessageView, Scope, TurnOutcome } from '../../../src/contracts/index.js';
import { FakeClock, silentLog } from '../../../src/kernel/index.js';
import { send, type Answer } from '../../../src/proxy/testing/http.js';
import { Workspaces } from '../../../src/proxy/workspaces.js';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../emulators/anthropic.js';
import { startBedrockEmulator, type AwsKey, type BedrockEmulator } from '../../emulators/bedrock.js';
import type { LedgerEntry } from '../../emulators/ledger.js';
import {
  federation,
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { machinesOf, type TestRunner } from '../../support/machines.js';

const PLACEHOLDER = 'placeholder-of-a-figure';
/** Longer than a lease: whoever asks next is served by nothing that was lent before. */
const BETWEEN_TURNS_MS = 6_000;
/** Longer than a receipt is waited for. */
const SURE_SECONDS = 11;
/** An agent that is told of a limit asks again, so often. */
const CALLS = 5;
const FROM_A_SUBSCRIPTION = { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };

/** What became of one message. */
export interface Asked {
  /** The answers that the agent saw. */
  answers: Answer[];
  message: MessageView;
  /** The credentials with which the model was called, in order, by the model's own ledger; and what it answered. */
  sent: { value: string; status: number | null }[];
}

export interface AskOptions {
  /** What the runner says of the end, by the last answer. */
  ends?: (last: Answer) => TurnOutcome;
  /** Whether Berth knows of so many limits that the agent was told of; it asks again then. Without it the agent gives up. */
  limited?: (times: number) => Promise<boolean>;
}

/** What all lanes of a figure share. */
interface Ground {
  clock: FakeClock;
  claude: AnthropicEmulator;
  bedrock: BedrockEmulator;
  apps: [TestApp, TestApp];
  proxy: Workspaces;
  rows: Pool;
}

/**
 * A shared workspace of two members, in an organization of its own, whose runner is played: it does with a message what an agent does, a model call through the proxy, again after a limit. All
 * lanes are of two replicas of Berth with workers, one real proxy, one emulated Anthropic and one emulated Bedrock.
 */
export class AskedModels {
  readonly #folder = mkdtempSync(join(tmpdir(), 'berth-asked-'));
  readonly #socket = join(this.#folder, 's');
  #runner!: TestRunner;
  /** The last message that was read. */
  #last = '';
  #id = '';

  private constructor(
    private readonly ground: Ground,
    readonly organization: TestOrganization,
    readonly members: [TestMember, TestMember],
  ) {}

  /** Plays so many lanes at once, and takes them away. */
  static async play(lanes: number, work: (lane: AskedModels, at: number) => Promise<void>): Promise<void> {
    const ground = await startGround();
    const opened: AskedModels[] = [];
    try {
      for (let at = 0; at < lanes; at++) opened.push(await AskedModels.#open(ground, at));
      await Promise.all(opened.map(work));
    } finally {
      await ground.proxy.closeAll();
      await ground.rows.end();
      await ground.apps[1].close();
      await ground.apps[0].close();
      await Promise.all([ground.claude.close(), ground.bedrock.close()]);
      for (const lane of opened) rmSync(lane.#folder, { recursive: true, force: true });
    }
  }

  static async #open(ground: Ground, at: number): Promise<AskedModels> {
    const [one] = ground.apps;
    const organization = await one.founded(`acme-${at}`);
    const owner = await one.member(organization, 'member');
    const lane = new AskedModels(ground, organization, [owner, await one.member(organization, 'member')]);
    // Without a credential there is no workspace.
    await lane.set(owner, 'user', 'anthropic_api_key', { apiKey: newKey() });
    const { id } = await owner.api.createWorkspace({ repository: 'acme/app' });
    lane.#id = id;
    const { runner, proxy } = await machinesOf(await hostOf(ground, id), id);
    lane.#runner = await runner.start();
    await owner.api.call('PATCH', owner.api.path(`/workspaces/${id}`), { shared: true }, 202);
    await ground.proxy.open({
      type: 'open',
      requestId: id,
      workspaceId: id,
      socketPath: lane.#socket,
      placeholder: PLACEHOLDER,
      proxyToken: proxy.token,
      git: null,
    });
    return lane;
  }

  get claude(): AnthropicEmulator {
    return this.ground.claude;
  }

  get bedrock(): BedrockEmulator {
    return this.ground.bedrock;
  }

  get clock(): FakeClock {
    return this.ground.clock;
  }

  /** Where Berth is. */
  get url(): string {
    return this.ground.apps[0].url;
  }

  get proxy(): Workspaces {
    return this.ground.proxy;
  }

  /** Sets a credential as this member, or as the owner for the organization. */
  async set(
    member: TestMember,
    scope: Scope,
    kind: string,
    body: Record<string, unknown>,
  ): Promise<CredentialView> {
    const { api } = scope === 'user' ? member : this.organization.owner;
    return (await api.call<CredentialView>('PUT', api.path(`/credentials/${scope}/${kind}`), body, 200)).body;
  }

  /** What this member is shown of their own credential. */
  async shown({ api }: TestMember, kind: string): Promise<CredentialView> {
    return (await api.get<CredentialView>(api.path(`/credentials/user/${kind}`))).body;
  }

  /** The member's own, and the organization's, are gone. */
  async clear({ userId }: TestMember): Promise<void> {
    await this.sql(
      `DELETE FROM credential WHERE organization_id = $1 AND (user_id = $2 OR scope = 'organization')`,
      [this.organization.id, userId],
    );
    // A long run: nobody beats for a runtime in memory.
    await this.sql('UPDATE host SET seen_at = now()');
    this.clock.advance(BETWEEN_TURNS_MS);
  }

  /** One message of this member, to its end. */
  async ask(member: TestMember, text: string, { ends = endOf, limited }: AskOptions = {}): Promise<Asked> {
    const { api } = member;
    const before = this.#calls().at(-1)?.arrival ?? 0;
    const { id } = await api.send(this.#id, text);
    const turn = await this.#runner.claim(5);
    const answers: Answer[] = [];
    for (let call = 0; call < CALLS; call++) {
      const answer = await this.#call(id);
      answers.push(answer);
      if (answer.status !== 429 || !limited) break;
      await eventually('Berth knows of the limit', () => limited(call + 1));
    }
    const last = answers.at(-1);
    if (!last) throw new Error('There was no call.');
    await this.#finish(this.#runner.finished(turn, ends(last)), last);
    const message = await this.#message(member, id);
    const sent = this.#calls()
      .filter(({ asked, arrival }) => arrival > before && asked?.includes(id))
      .map(({ credential: { value }, status }) => ({ value, status }));
    return { answers, message, sent };
  }

  /** What came to both providers, in order. */
  #calls(): LedgerEntry[] {
    const calls = [...this.claude.requests, ...this.bedrock.requests];
    return calls.sort((one, other) => one.arrival - other.arrival);
  }

  async #message({ api }: TestMember, id: string): Promise<MessageView> {
    const after = this.#last ? `&cursor=${this.#last}` : '';
    const path = api.path(`/workspaces/${this.#id}/messages?limit=1${after}`);
    const [message] = (await api.get<{ items: MessageView[] }>(path)).body.items;
    if (message?.id !== id) throw new Error('The message is not the next one.');
    this.#last = id;
    return message;
  }

  /** A call that is answered is reported with it; one that is not must not be taken for one, however late the report is. */
  async #finish(fact: ReturnType<TestRunner['finished']>, last: Answer): Promise<void> {
    const late = isGood(last) ? {} : { ageSeconds: SURE_SECONDS };
    const items = this.#runner.number({ ...fact, ...late });
    await eventually('the end is taken', async () => {
      const { status, body } = await this.#runner.send(items);
      if (status !== 200) throw new Error(`report answered ${status}: ${JSON.stringify(body)}`);
      return body.acknowledged === this.#runner.n;
    });
  }

  /** A call as the agent makes it, for a message by whose id the ledger knows it. A connection that breaks is an answer of status 0. */
  async #call(id: string): Promise<Answer> {
    const body = JSON.stringify({
      model: 'claude-haiku-4-5',
      max_tokens: 10,
      messages: [{ role: 'user', content: id }],
    });
    const headers = { ...FROM_A_SUBSCRIPTION, authorization: `Bearer ${PLACEHOLDER}` };
    try {
      return await send(this.#socket, { path: '/anthropic/v1/messages', headers, body });
    } catch {
      return { status: 0, headers: {}, body: '' };
    }
  }

  async sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.ground.rows.query<Record<string, unknown>>(text, values)).rows;
  }
}

/** The replica whose worker was the first to take the workspace. */
async function hostOf({ apps }: Ground, id: string): Promise<TestApp> {
  const host = () =>
    apps.find(({ runtime }) => runtime.callsOf('start').some(({ workspaceId }) => workspaceId === id));
  await eventually('the workspace is placed', () => host() !== undefined);
  return host() ?? apps[0];
}

async function startGround(): Promise<Ground> {
  const clock = new FakeClock(new Date());
  const claude = await startAnthropicEmulator({ clock });
  const bedrock = await startBedrockEmulator({ clock });
  const parts = {
    loginEndpoints: loginEndpoints({ claude: claude.url }),
    federation: federation(claude.url),
  };
  const one = await startTestApp({ worker: true, clock, parts });
  const beside = { ...parts, publicUrl: one.parts.publicUrl };
  const two = await startTestApp({ worker: true, clock, beside: one, parts: beside });
  const proxy = new Workspaces({
    internalUrl: one.url,
    anthropicUrl: claude.url,
    openaiUrl: claude.url,
    chatgptUrl: claude.url,
    bedrockUrl: bedrock.url,
    bedrockModels: {},
    log: silentLog,
    clock,
    limits: { notYetSeconds: 0.02, firstRetrySeconds: 0.02 },
  });
  for (const { runtime } of [one, two]) runtime.forget = (credentialId) => proxy.forget(credentialId);
  const rows = new Pool({ connectionString: one.database.ownerUrl, max: 4 });
  return { clock, claude, bedrock, apps: [one, two], proxy, rows };
}

/** An agent that had its answer is content; one that had none gives up. */
function endOf(last: Answer): TurnOutcome {
  if (isGood(last)) return { result: 'completed' };
  return { result: 'failed', code: 'agent-failed', message: 'The agent gave up.' };
}

function isGood({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

let keys = 0;
export function newKey(): string {
  return `sk-ant-api03-${String((keys += 1)).padStart(40, 'k')}`;
}

export function newAwsKey(): AwsKey {
  const number = String((keys += 1)).padStart(16, '0');
  return { accessKeyId: `AKIA${number}`, secretAccessKey: number.padStart(40, 'S') };
}
