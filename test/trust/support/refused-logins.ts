import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunnerTurnsService } from '../../../src/chats/index.js';
import type { Agent, ClaimedTurn, MessageView, RunnerFile } from '../../../src/contracts/index.js';
import { eventsStore } from '../../../src/events/index.js';
import { silentLog, type Clock } from '../../../src/kernel/index.js';
import { Workspaces } from '../../../src/proxy/workspaces.js';
import { compileRunner } from '../../../src/runner/support/compile.js';
import { makeRepository } from '../../../src/runner/support/repository.js';
import { Reconciler } from '../../../src/workspaces/reconciler.js';
import { startAnthropicEmulator } from '../../emulators/anthropic.js';
import type { ModelEmulator } from '../../emulators/emulator.js';
import { startOpenaiEmulator } from '../../emulators/openai.js';
import { agentProgram } from '../../emulators/run-agents.js';
import { startTestApp, type TestApp, type TestMember } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { machinesOf } from '../../support/machines.js';
import { withClient } from '../../support/tables.js';
import type { Findings } from '../figure.js';

/** When the login is refused: with the first call, once a tool ran, after a cut inside the first answer, twice, or until people are told. */
export const moments = ['before', 'mid-tool', 'mid-stream', 'twice', 'for good'] as const;
export type Moment = (typeof moments)[number];

/** How a broken Berth would begin an attempt, by how it should. */
export type Break = (mode: ClaimedTurn['mode']) => ClaimedTurn['mode'];

/** Longest pause between two attempts, and some more. */
const PAUSE_MS = 15_000;
const PATIENCE_SECONDS = 120;
const LAST_WORD = /^Couldn't authenticate with (Claude|Codex) after multiple attempts\.$/;

/** Real time that a test can jump ahead of, so that nobody waits for pauses. */
class JumpingClock implements Clock {
  #ahead = 0;
  now = (): Date => new Date(Date.now() + this.#ahead);
  jump(milliseconds: number): void {
    this.#ahead += milliseconds;
  }
}

/** Of the emulators' refusals, and of the agents' sentences around them. */
const PROVIDERS_WORDS =
  /authentication_error|invalid_api_key|x-api-key|Incorrect API key|API Error|status 401|Unauthorized|\bsk-/i;

interface World {
  app: TestApp;
  clock: JumpingClock;
  organization: { id: string; slug: string };
  models: Record<Agent, ModelEmulator>;
  compiled: string;
}

/** A workspace with the real agent, the real runner and the real proxy, whose member's key is refused and replaced. */
class Lane {
  readonly #folder = mkdtempSync(join(tmpdir(), 'berth-refused-'));
  readonly #proxy: Workspaces;
  #member!: TestMember;
  #runner: ChildProcess | null = null;
  #id = '';
  #keys = 0;
  #key = '';
  /** Requests that people were told are given up. */
  readonly #givenUp: string[] = [];

  constructor(
    private readonly world: World,
    private readonly agent: Agent,
  ) {
    const { app, models } = world;
    this.#proxy = new Workspaces({
      internalUrl: app.url,
      anthropicUrl: models.claude.url,
      openaiUrl: models.codex.url,
      chatgptUrl: models.codex.url,
      bedrockUrl: models.codex.url,
      bedrockModels: {},
      log: silentLog,
    });
  }

  get model(): ModelEmulator {
    return this.world.models[this.agent];
  }

  get tree(): string {
    return join(this.#folder, 'tree');
  }

  async open(): Promise<void> {
    const { app, organization } = this.world;
    this.#member = await app.member(organization, 'member');
    await this.#newKey();
    const repository = makeRepository(join(this.#folder, 'repository'));
    const { api } = this.#member;
    const { id } = await api.createWorkspace({ repository: `file://${repository}`, agent: this.agent });
    this.#id = id;
    await app.app
      .get(Reconciler, { strict: false })
      .reconcile({ organizationId: organization.id, workspaceId: id });
    const { runner, proxy } = await machinesOf(app, id);
    const socketDirectory = join(this.#folder, 'socket');
    mkdirSync(socketDirectory);
    await this.#proxy.open({
      type: 'open',
      requestId: id,
      workspaceId: id,
      socketPath: join(socketDirectory, 's'),
      placeholder: 'placeholder-of-a-figure',
      proxyToken: proxy.token,
      git: null,
    });
    this.#start({
      internalUrl: app.url,
      runnerToken: runner.token,
      workspaceId: id,
      directories: {
        tree: this.tree,
        home: join(this.#folder, 'home'),
        scratch: join(this.#folder, 'scratch'),
      },
      socketDirectory,
      placeholder: 'placeholder-of-a-figure',
      sandbox: { mode: 'bubblewrap', bwrap: '/usr/bin/bwrap' },
      agents: { claude: agentProgram('CLAUDE_BIN'), codex: agentProgram('CODEX_BIN') },
      git: '/usr/bin/git',
      orphanSeconds: 600,
      turnTimeoutSeconds: 300,
      path: '/usr/local/bin:/usr/bin:/bin',
    });
    await api.untilState(id, 'running');
  }

  #start(file: RunnerFile): void {
    const path = join(this.#folder, 'runner.json');
    writeFileSync(path, JSON.stringify(file), { mode: 0o600 });
    this.#runner = spawn(process.execPath, [join(this.world.compiled, 'runner', 'main.js'), path], {
      stdio: 'ignore',
      env: { PATH: '/usr/bin:/bin' },
    });
  }

  /** The member sets another key, which the model takes. */
  async #newKey(): Promise<void> {
    const number = `${this.#member.userId.slice(-12)}${String((this.#keys += 1)).padStart(30, '0')}`;
    this.#key = this.agent === 'claude' ? `sk-ant-api03-${number}` : `sk-${number}`;
    this.model.accept(this.#key);
    await this.#member.api.setCredential('user', this.#kind, { apiKey: this.#key });
  }

  get #kind(): string {
    return this.agent === 'claude' ? 'anthropic_api_key' : 'openai_api_key';
  }

  /** The model takes the key no more, and the member has no other: what the proxy still holds is refused, and then nothing is left. */
  async #refuse(): Promise<void> {
    const { api } = this.#member;
    this.model.revoke(this.#key);
    await api.call('DELETE', api.path(`/credentials/user/${this.#kind}`), undefined, 204);
  }

  /** Plays one message, and notes what broke the line. */
  async play(round: number, moment: Moment, findings: Findings): Promise<void> {
    const name = `${this.agent} ${moment} ${round}`;
    const mark = `mark-${round}`;
    // The command waits where the login is to be refused behind it.
    const wait = moment === 'mid-tool' ? `; until [ -e go-${round} ]; do sleep 0.05; done` : '';
    const text = `run echo ${mark} >> marks${wait}`;
    if (moment === 'mid-stream')
      this.model.fail({ mode: 'cut-mid-stream', match: { credential: this.#key } });
    if (moment !== 'mid-tool') await this.#refuse();
    const { api } = this.#member;
    const { id } = await api.send(this.#id, text);
    if (moment === 'mid-tool') {
      await eventually(`${name}: the tool ran`, () => this.#marks(mark) > 0, PATIENCE_SECONDS);
      await this.#refuse();
      writeFileSync(join(this.tree, `go-${round}`), '');
    }
    await this.#refuseAndHeal(name, id, moment);
    const ended = await this.#ended(name, id);
    const ran = this.#marks(mark);
    if (moment === 'for good') {
      const { state, error } = ended;
      const isClear = state === 'failed' && LAST_WORD.test(error?.message ?? '');
      findings.expect(isClear, `${name}: ${state}, ${error?.message ?? 'no reason'}`);
      findings.expect(ran === 0, `${name}: the tool ran ${ran} times`);
      this.#givenUp.push(text);
      await this.#newKey();
      return;
    }
    findings.expect(ended.state === 'completed', `${name}: ${ended.state}: ${ended.error?.message ?? ''}`);
    findings.expect(ran === 1, `${name}: the tool ran ${ran} times`);
    this.#checkModel(name, text, findings);
    await this.#checkChat(name, id, findings);
  }

  /** Waits for the refusals, and has another key set in time. */
  async #refuseAndHeal(name: string, id: string, moment: Moment): Promise<void> {
    const refusals = { before: 1, 'mid-stream': 1, 'mid-tool': 1, twice: 2, 'for good': 3 }[moment];
    for (let refused = 1; refused <= Math.min(refusals, 2); refused++) {
      await eventually(
        `${name}: refusal ${refused}`,
        async () => (await this.#refused(id)) >= refused,
        PATIENCE_SECONDS,
      );
      if (refused === refusals) await this.#newKey();
      await this.#passPause();
    }
  }

  #checkModel(name: string, text: string, findings: Findings): void {
    const asked = this.#conversation();
    findings.expect(
      count(asked, text) === 1,
      `${name}: the model saw the request ${count(asked, text)} times`,
    );
    for (const given of this.#givenUp)
      findings.expect(!asked.includes(given), `${name}: the model saw a request that was given up`);
  }

  /** One bubble, one answer, and the refusal told once with its end. */
  async #checkChat(name: string, id: string, findings: Findings): Promise<void> {
    const { api } = this.#member;
    const messages = await api.messages(this.#id);
    const answers = messages.slice(messages.findIndex((message) => message.id === id) + 1);
    findings.expect(answers.length === 1, `${name}: ${answers.length} answers`);
    const events = await api.events(this.#id);
    const last = events.findLast(({ type }) => type === 'authentication.state');
    findings.expect(
      last?.data.state === 'restored',
      `${name}: the login is told as ${String(last?.data.state)}`,
    );
    const said = JSON.stringify([messages, events]);
    findings.expect(!PROVIDERS_WORDS.test(said), `${name}: the provider’s words are told`);
  }

  #marks(mark: string): number {
    const path = join(this.tree, 'marks');
    if (!existsSync(path)) return 0;
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line === mark).length;
  }

  /** What the model was told in the last conversation of this lane that it answered. */
  #conversation(): string {
    const entry = this.model.requests.findLast(
      ({ asked, status, credential }) => asked !== null && status === 200 && credential.value === this.#key,
    );
    return entry?.asked?.join('\n') ?? '';
  }

  /** How many attempts of a turn were refused. Throws when it ended meanwhile, for whatever other reason. */
  async #refused(id: string): Promise<number> {
    const { rows } = await withClient(this.world.app.database.ownerUrl, (client) =>
      client.query<{ refused: number; ended: string | null }>(
        `SELECT refused_attempts AS refused, CASE WHEN finished_at IS NOT NULL THEN concat_ws(' ', state, error->>'code') END AS ended
           FROM turn WHERE id = $1`,
        [id],
      ),
    );
    if (rows[0]?.ended) throw new Error(`it ${rows[0].ended} before its login was refused`);
    return rows[0]?.refused ?? 0;
  }

  /** Lets the pause before the next attempt be over. */
  async #passPause(): Promise<void> {
    this.world.clock.jump(PAUSE_MS);
    const { app, organization } = this.world;
    await app.parts.database.tenant(organization.id, (tenant) => eventsStore.notify(tenant, this.#id));
  }

  async #ended(name: string, id: string): Promise<MessageView> {
    const { api } = this.#member;
    const find = async () => (await api.messages(this.#id)).find((message) => message.id === id);
    const isOver = (state?: string): boolean => ['completed', 'failed', 'canceled'].includes(state ?? '');
    await eventually(`${name}: its end`, async () => isOver((await find())?.state), PATIENCE_SECONDS);
    const message = await find();
    if (!message) throw new Error(`${name}: the message is gone`);
    return message;
  }

  async close(): Promise<void> {
    this.#runner?.kill('SIGKILL');
    await this.#proxy.closeAll();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

/** Plays the moments in turn with both agents, one workspace each. */
export async function refuseLogins(
  rounds: number,
  findings: Findings,
  { agents = ['claude', 'codex'], only, broken }: { agents?: Agent[]; only?: Moment; broken?: Break } = {},
): Promise<void> {
  const clock = new JumpingClock();
  const models = { claude: await startAnthropicEmulator(), codex: await startOpenaiEmulator() };
  const app = await startTestApp({ clock });
  const compiled = await compileRunner();
  const { id, slug } = await app.founded('acme');
  if (broken) breakClaims(app, broken);
  const world = { app, clock, models, compiled, organization: { id, slug } };
  const lanes = agents.map((agent) => new Lane(world, agent));
  try {
    await Promise.all(
      lanes.map(async (lane, at) => {
        await lane.open();
        for (let round = at; round < rounds; round += lanes.length)
          await lane.play(round, only ?? momentOf(Math.floor(round / lanes.length)), findings);
      }),
    );
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    await app.close();
    await Promise.all(Object.values(models).map((model) => model.close()));
    rmSync(compiled, { recursive: true, force: true });
  }
}

function momentOf(round: number): Moment {
  return moments[round % moments.length] ?? 'before';
}

function breakClaims(app: TestApp, broken: Break): void {
  const turns = app.app.get(RunnerTurnsService, { strict: false });
  const claim = turns.claim.bind(turns);
  turns.claim = async (...words) => {
    const claimed = await claim(...words);
    return claimed && 'mode' in claimed ? { ...claimed, mode: broken(claimed.mode) } : claimed;
  };
}
