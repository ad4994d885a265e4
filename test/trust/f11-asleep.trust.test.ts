import { randomBytes } from 'node:crypto';
import { startAnthropicEmulator } from '../emulators/anthropic.js';
import type { ModelEmulator } from '../emulators/emulator.js';
import { answerTo } from '../e2e/support/events.js';
import type { Repository } from '../e2e/support/repository.js';
import { TestSystem } from '../e2e/support/system.js';
import { loginEndpoints, startTestApp } from '../support/app.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { changes, equipOwner, Lane } from './support/asleep.js';
import { startProxyOf } from './support/stand-in.js';
import { hashOf, writeRandomFiles } from './support/trees.js';

/** Of the credentials of agents; those of Git and trackers are played where they are. */

const names = Object.keys(changes);

figure(
  {
    id: 'F11 credentials',
    scenario: `a workspace sleeps, and meanwhile what served it is changed (${names.join('; ')}); a message wakes it, and a client stands in for the agent`,
    line: 'the first message is answered, with what is to serve now and nothing else; the provider refuses only what it ended without telling',
    rounds: { small: names.length, full: 42 * names.length },
    countedAt: 'the emulator’s ledger: which credential, with which status',
    time: 'real',
  },
  async (findings) => {
    const model = await startAnthropicEmulator();
    const app = await startTestApp({
      worker: true,
      parts: { loginEndpoints: loginEndpoints({ claude: model.url }) },
    });
    const proxy = startProxyOf(app, model.url);
    const ground = { app, proxy, model, organization: await app.founded('acme') };
    try {
      await equipOwner(ground);
      for (let round = 0; round < findings.rounds; round += names.length) {
        // Each once at a time: what the owner's key serves then is of one lane.
        await Promise.all(names.map((name) => Lane.play(ground, name, findings)));
      }
    } finally {
      await proxy.closeAll();
      await app.close();
      await model.close();
    }
  },
);

/** An agent at work, whose login is renewed, replaced or left alone while it sleeps. */
class Sleeper {
  #id = '';
  #branch = '';
  /** All that it was asked to remember: the session goes on through every sleep. */
  readonly #words: string[] = [];
  #repository: Repository | null = null;

  constructor(
    private readonly system: TestSystem,
    private readonly agent: 'claude' | 'codex',
    private readonly model: ModelEmulator,
  ) {}

  get #login(): string {
    return this.agent === 'claude' ? 'claude_oauth' : 'openai_oauth';
  }

  async #connect(): Promise<void> {
    const { accessToken, refreshToken, expiresAt } = this.model.logins.issue();
    const pair = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
    await this.system.api.setCredential('user', this.#login, pair);
  }

  async open(): Promise<void> {
    await this.#connect();
    const made = await this.system.runningWorkspace(this.agent, `sleeper-${this.agent}`);
    [this.#id, this.#branch, this.#repository] = [made.id, made.branch, made.repository];
    await this.#tell();
  }

  /** What the agent is to know when it wakes. */
  async #tell(): Promise<void> {
    const { api } = this.system;
    const word = `w${randomBytes(6).toString('hex')}`;
    this.#words.push(word);
    await api.untilEnded(this.#id, (await api.send(this.#id, `remember ${word}`)).id);
  }

  async cycle(round: number, findings: Findings): Promise<void> {
    const { system, agent } = this;
    const name = `${agent} ${round}`;
    const tree = system.treeOf(this.#id);
    await writeRandomFiles(tree, round);
    const before = await hashOf(tree);
    await system.hibernate(this.#id);
    await this.#change(round);
    const { id } = await system.api.send(this.#id, 'what did I ask you to remember?');
    const { state, error } = await system.api.untilEnded(this.#id, id);
    findings.expect(state === 'completed', `${name}: the first message ${state}: ${error?.message ?? ''}`);
    const answer = await answerTo(system.api, this.#id, id);
    findings.expect(
      answer === `You asked me to remember ${this.#words.join(', ')}.`,
      `${name}: ${answer ?? 'no answer'}`,
    );
    findings.expect((await hashOf(tree)) === before, `${name}: the files are not what they were`);
    await this.#checkPush(round, name, findings);
    await this.#tell();
  }

  async #change(round: number): Promise<void> {
    const { api } = this.system;
    const step = round % 3;
    if (step === 0) await api.post(api.path(`/credentials/user/${this.#login}/rotate`), {}, 200);
    if (step === 1) await this.#connect();
    if (step === 2) this.model.logins.book.revokeLiving();
  }

  async #checkPush(round: number, name: string, findings: Findings): Promise<void> {
    const pushed = await this.#repository?.git('ls-tree', '--name-only', this.#branch);
    const isThere = pushed?.split('\n').includes(`round ${round}`) ?? false;
    findings.expect(isThere, `${name}: what was in the tree was not pushed`);
  }
}

if (playsInFull)
  figure(
    {
      id: 'F11 agents',
      scenario:
        'the real Claude Code and Codex in workspaces with random files, put to sleep and woken by a message; meanwhile their login is renewed, replaced, or its token revoked',
      line: 'the first message is answered from the session as it was, every file is as it was, and the work is pushed',
      rounds: { small: 0, full: 50 },
      countedAt:
        'hashes of the trees, the agent’s answer from its own session, the repository that is pushed to',
      time: 'real',
    },
    async (findings) => {
      const system = await TestSystem.start();
      try {
        const sleepers = [
          new Sleeper(system, 'claude', system.anthropic),
          new Sleeper(system, 'codex', system.openai),
        ];
        await Promise.all(
          sleepers.map(async (sleeper, at) => {
            await sleeper.open();
            for (let round = at; round < findings.rounds; round += sleepers.length)
              await sleeper.cycle(round, findings);
          }),
        );
      } finally {
        await system.close();
      }
    },
  );
