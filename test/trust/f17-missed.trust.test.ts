import { randomUUID } from 'node:crypto';
import { Recoveries } from '../../src/triggers/index.js';
import type { LinearSession } from '../emulators/linear-world.js';
import { eventually } from '../support/eventually.js';
import { MovedClock } from '../support/moved-clock.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { Receiving, type Tracked } from './support/receiving.js';
import { checkWork, saidIn, type Note } from './support/scenes.js';

/** Seen to fail: with what is known left out of `Deliveries.known` (everything is delivered once more), and without the overlap of looks (what happened just before the last one is not found). */

const never = new AbortController().signal;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOBODY = 'http://127.0.0.1:9/webhooks/github';
const downs: { name: string; milliseconds: number }[] = [
  { name: '5 min', milliseconds: 5 * MINUTE_MS },
  { name: '4 h', milliseconds: 4 * HOUR_MS },
  { name: '2.9 days', milliseconds: 69.6 * HOUR_MS },
];
/** Of a hundred events so many are sessions at Linear, each with a further word; and mentions at GitHub, as many as an installation may answer in a minute. */
const SESSIONS = 12;
const MENTIONS = 3;
/** A word comes so many sessions after its own. */
const WORD_LATER = 5;
/** What happens at GitHub and asks for nothing, of those sorts. */
const SORTS = ['issue_comment', 'push', 'check_run', 'pull_request', 'star'];
/** Before it went down, and after: not to be told twice. */
const HEARD = 5;

figure(
  {
    id: 'F17',
    scenario: `nobody listens at Berth's addresses for ${downs.map(({ name }) => name).join(', ')}, in turns, while events happen at GitHub (mentions among them, and what asks for nothing) and at Linear (sessions, and words in them); then Berth looks for what it missed, twice. The former tokens are over by then`,
    line: 'every event is found, each once: each request one workspace, one message, and an answer to it; what GitHub kept it delivers once more and once alone, what Linear does not tell again (older than its retries of seven hours, too) is found by asking for it; what was heard is left alone',
    rounds: { small: 50, full: 1_500 },
    countedAt:
      'deliveries at the emulated GitHub, comments and activities at both; rows of deliveries, workspaces and messages',
    time: 'injected',
  },
  async (findings) => {
    const clock = new MovedClock();
    const receiving = await Receiving.start({ replicas: 1, clock });
    try {
      const played = playsInFull ? downs : downs.slice(-1);
      for (const down of played)
        await new Outage(receiving, clock, findings, down).play(findings.rounds / played.length);
    } finally {
      await receiving.close();
    }
  },
);

/** Events of one time in which nobody listens. */
class Outage {
  readonly #guids: string[] = [];
  readonly #heard: string[] = [];
  readonly #sessions: LinearSession[] = [];
  readonly #mentioned: number[] = [];
  #tracked!: Tracked;

  constructor(
    private readonly receiving: Receiving,
    private readonly clock: MovedClock,
    private readonly findings: Findings,
    private readonly down: (typeof downs)[number],
  ) {}

  async play(events: number): Promise<void> {
    const { receiving, clock, down, findings } = this;
    this.#tracked = await receiving.track();
    receiving.listen();
    for (let at = 0; at < HEARD; at++) await this.#star(this.#heard);
    await receiving.settle();
    await this.#look();
    // The last look and the end of listening are not the same moment.
    clock.set(clock.now().getTime() + MINUTE_MS);
    this.#goDown();
    await this.#happen(events, clock.now().getTime(), down.milliseconds);
    receiving.listen();
    // What happened a moment ago is left to its webhook.
    clock.set(clock.now().getTime() + MINUTE_MS);
    for (let at = 0; at < HEARD; at++) await this.#star(this.#heard);
    await receiving.settle();
    const begun = performance.now();
    await this.#look();
    await this.#untilAllCame();
    await receiving.settle();
    const seconds = (performance.now() - begun) / 1000;
    findings.number(`caught up after ${down.name}, s`, Number(seconds.toFixed(1)));
    clock.set(clock.now().getTime() + 3 * MINUTE_MS);
    await this.#look();
    await receiving.settle();
    await this.#check();
  }

  #goDown(): void {
    this.receiving.github.app.hookUrl = NOBODY;
    this.receiving.linear.webhooks.url = null;
  }

  #look(): Promise<void> {
    return this.receiving.first.app.get(Recoveries, { strict: false }).run(never);
  }

  /** So many events, all sorts of them all the time. */
  async #happen(count: number, from: number, milliseconds: number): Promise<void> {
    const sessions = Math.round((count * SESSIONS) / 100);
    const mentions = Math.round((count * MENTIONS) / 100);
    // When, as a part of the whole time. What is written within seconds of a session's beginning is the beginning itself to Linear.
    const spread = (times: number, act: (at: number) => Promise<void>, later = 0) =>
      Array.from({ length: times }, (_, at) => ({ when: (at + later) / (times + WORD_LATER), at, act }));
    const all = [
      ...spread(sessions, () => this.#begin()),
      ...spread(sessions, (at) => this.#write(at), WORD_LATER),
      ...spread(mentions, () => this.#mention()),
      ...spread(count - 2 * sessions - mentions, (at) => this.#other(at)),
    ];
    for (const { when, at, act } of all.sort((one, other) => one.when - other.when)) {
      this.clock.set(from + milliseconds * when);
      await act(at);
    }
    this.clock.set(from + milliseconds);
  }

  async #begin(): Promise<void> {
    const { there, team, ann } = this.#tracked;
    const issue = there.addIssue(team.id, { title: 'Something to do' });
    this.#sessions.push((await this.receiving.linear.delegate(there, issue, ann)).session);
  }

  async #write(at: number): Promise<void> {
    const { there, ann } = this.#tracked;
    const session = this.#sessions[at];
    if (session) await this.receiving.linear.prompt(there, session, ann, 'and a test');
  }

  async #mention(): Promise<void> {
    const { github, app } = this.receiving.github;
    const { repository, annAtGithub } = this.#tracked;
    const head = `feature-${repository.nextNumber}`;
    const { number } = await github.make.pull(repository, annAtGithub, { head });
    const comment = github.make.comment(repository, number, annAtGithub, `@${app.slug} rename the handler`);
    this.#mentioned.push(number);
    await this.#tell(this.#guids, 'issue_comment', github.events.issueComment(repository, comment));
  }

  async #other(at: number): Promise<void> {
    const { repository, installation, annAtGithub } = this.#tracked;
    const body = {
      action: 'created',
      repository: { id: repository.id, full_name: `${installation.account.login}/widget` },
      installation: { id: installation.id },
      sender: { id: annAtGithub.id, login: annAtGithub.login, type: 'User' },
    };
    await this.#tell(this.#guids, SORTS[at % SORTS.length] ?? '', body);
  }

  #star(guids: string[]): Promise<void> {
    const { installation } = this.#tracked;
    return this.#tell(guids, 'star', { action: 'created', installation: { id: installation.id } });
  }

  async #tell(guids: string[], event: string, body: object): Promise<void> {
    const guid = randomUUID();
    guids.push(guid);
    await this.receiving.github.github.hooks.deliver(event, body, { guid });
  }

  async #untilAllCame(): Promise<void> {
    const isThere = async (): Promise<boolean> => {
      const [found] = await this.receiving.sql(
        'SELECT count(*)::int AS n FROM delivery WHERE delivery_id = ANY ($1)',
        [this.#guids],
      );
      return found?.n === this.#guids.length;
    };
    // That they are not is a breach, and no end of the run.
    await eventually('all that GitHub told is there', isThere, 120).catch(() => undefined);
  }

  async #check(): Promise<void> {
    const { receiving, findings, down } = this;
    const note = (holds: boolean, what: string): void =>
      findings.expect(holds, `after ${down.name}: ${what}`);
    const { deliveries } = receiving.github.github.hooks;
    for (const [guids, times] of [
      [this.#guids, 1],
      [this.#heard, 0],
    ] as const)
      for (const one of guids) {
        const again = deliveries.filter(({ guid, redelivery }) => guid === one && redelivery);
        note(again.length === times, `a delivery was asked for ${again.length} times more, and not ${times}`);
        note(
          again.every(({ statusCode }) => statusCode === 200),
          'one that was delivered again was not taken',
        );
      }
    const rows = await receiving.sql(`SELECT delivery_id, state FROM delivery WHERE delivery_id = ANY ($1)`, [
      this.#guids,
    ]);
    const done = rows.filter(({ state }) => state === 'processed').length;
    note(done === this.#guids.length, `${done} of ${this.#guids.length} of GitHub's are done`);
    for (const session of this.#sessions) await this.#checkSession(session, note);
    for (const number of this.#mentioned) await this.#checkMention(number, note);
  }

  async #checkSession({ id }: LinearSession, note: Note): Promise<void> {
    await checkWork(this.receiving, this.#tracked, `#agent-session-${id.slice(0, 8)}`, 2, note);
    const { kept, signs } = saidIn(this.receiving, id);
    const isOnce = kept.length === 1 && signs.length === 2;
    note(isOnce, `a session has the signs of life ${signs.join(' | ')} and the comments ${kept.join(' | ')}`);
  }

  async #checkMention(number: number, note: Note): Promise<void> {
    const { bot } = this.receiving.github.app;
    await checkWork(this.receiving, this.#tracked, `/pull/${number}`, 1, note);
    const said = this.#tracked.repository.comments.filter(
      (one) => one.number === number && one.user.id === bot.id,
    );
    note(said.length === 1, `a mention has ${said.length} comments`);
  }
}
