import { z } from 'zod';
import { planItemSchema } from '../../contracts/index.js';
import type { WorkspaceEvent } from '../../events/index.js';
import type { ReplyAbout, ReplyContent } from '../replies/content.js';
import { clip, failureWords, RUNS_AGAIN, tail } from './words.js';

/** What a workspace told, as it is said in one conversation. */
export interface Told {
  key: string;
  content: ReplyContent;
  about: ReplyAbout;
}

/** What one conversation knows of its workspace besides the events. */
export interface Listening {
  /** Where it is: a pull request is not told of itself. */
  url: string;
  /** The turns that were asked for there, by the message's id, and to what of the conversation they are. What others ask the workspace is not told there. */
  turns: ReadonlyMap<string, ReplyAbout>;
  /** The answers of the agent that are stored, by the turn. */
  answers: ReadonlyMap<string, string>;
  /** There may be more events behind these. */
  isPage: boolean;
}

type Ending = Extract<ReplyContent, { type: 'answer' | 'failed' | 'stopped' }>;

/** What is to be said, and up to which event it is: from there on the next look begins. */
export interface Telling {
  told: Told[];
  upTo: number;
}

/** What is not known to the end: text that an agent is still at, or a failure of git that belongs to the answer. */
interface Open {
  from: number;
  text: string;
}

const planSchema = z.array(planItemSchema);

/** What was pushed, which belongs to the answer as well. */
interface Pushed {
  from: number;
  branch: string;
  commit: string;
}

/**
 * What is said in a conversation of what its workspace told (ascending, without gaps). Keys are of the events, so that what is looked at again is not said again; an end is said once for a turn. Words that an
 * agent is still at are left for the next look, unless they fill this one.
 */
export function repliesOf(events: readonly WorkspaceEvent[], listening: Listening): Telling {
  const telling = new Teller(listening);
  events.forEach((event, index) => telling.hear(event, events[index - 1], events[index + 1]));
  return telling.end(events);
}

class Teller {
  readonly #told: Told[] = [];
  readonly #texts = new Map<string, Open>();
  readonly #gitFailures = new Map<string, Open>();
  readonly #pushes = new Map<string, Pushed>();

  constructor(private readonly listening: Listening) {}

  hear(event: WorkspaceEvent, before: WorkspaceEvent | undefined, after: WorkspaceEvent | undefined): void {
    const turn = textOf(event, 'messageId');
    switch (event.type) {
      case 'workspace.state':
        return this.workspace(event, before, after);
      case 'pull_request.opened':
        return this.pullRequest(event);
      default:
        if (this.listening.turns.has(turn)) this.turn(turn, event, [before, after]);
    }
  }

  end(events: readonly WorkspaceEvent[]): Telling {
    const last = events.at(-1);
    const upTo = last?.seq ?? 0;
    const open = [...this.#texts.entries(), ...this.#gitFailures.entries()];
    const from = Math.min(
      ...[...open.map(([, each]) => each), ...this.#pushes.values()].map((each) => each.from),
    );
    const isStuck = this.listening.isPage && from === events[0]?.seq;
    if (isStuck)
      for (const [turn, { text }] of open)
        this.say(turn, `event/${upTo}/${turn}`, { type: 'progress', text: tail(text) });
    return { told: this.#told, upTo: isStuck ? upTo : Math.min(upTo, from - 1) };
  }

  private turn(turn: string, event: WorkspaceEvent, beside: (WorkspaceEvent | undefined)[]): void {
    const key = `event/${event.seq}`;
    switch (event.type) {
      case 'agent.text':
        return note(this.#texts, turn, event.seq, textOf(event, 'text'));
      case 'agent.tool':
        return this.say(turn, key, this.tool(turn, event));
      case 'agent.plan': {
        const { data } = planSchema.safeParse(event.data.items);
        return data && this.say(turn, key, { type: 'plan', items: data });
      }
      case 'git.failed':
        return note(this.#gitFailures, turn, event.seq, textOf(event, 'message'));
      case 'git.pushed': {
        const [branch, commit] = [textOf(event, 'branch'), textOf(event, 'commit')];
        this.#pushes.set(turn, { from: this.#pushes.get(turn)?.from ?? event.seq, branch, commit });
        const text = `Pushed ${commit.slice(0, 7)} to ${branch}.`;
        return this.say(turn, key, { type: 'progress', text });
      }
      case 'message.state':
        return this.moved(turn, event, beside);
    }
  }

  private tool(turn: string, event: WorkspaceEvent): ReplyContent {
    const text = tail(this.take(this.#texts, turn));
    const name = textOf(event, 'name');
    const summary = clip(textOf(event, 'summary'));
    if (event.data.state === 'started') return { type: 'progress', text, tool: { name, parameter: summary } };
    const result = event.data.state === 'failed' ? `failed: ${summary}` : summary;
    return { type: 'progress', text, tool: { name, parameter: '', result } };
  }

  /** How its turn goes on. The login is told in the same stroke, just before it. */
  private moved(turn: string, event: WorkspaceEvent, beside: (WorkspaceEvent | undefined)[]): void {
    const login = beside[0]?.type === 'authentication.state' ? beside[0] : undefined;
    const ends = (content: Ending): void => {
      this.take(this.#texts, turn);
      const { branch = '', commit = '' } = this.#pushes.get(turn) ?? {};
      this.#pushes.delete(turn);
      this.say(turn, `end/${turn}`, { ...content, ...(commit === '' ? {} : { pushed: { branch, commit } }) });
    };
    switch (event.data.state) {
      case 'reauthenticating':
      case 'running': {
        const state = event.data.state === 'running' ? 'restored' : 'reauthenticating';
        if (login?.data.state !== state) return;
        const text = textOf(login, 'message');
        return this.say(turn, `event/${event.seq}`, { type: 'authentication', state, text });
      }
      case 'completed': {
        // Of an answer stored before this look, or of none: some agents end without a word.
        const answer = this.listening.answers.get(turn) ?? 'Done.';
        const unpublished = this.take(this.#gitFailures, turn);
        const text = unpublished ? `${answer}\n\nThe work was not published: ${unpublished}` : answer;
        return ends({ type: 'answer', text });
      }
      case 'failed':
        return ends({ type: 'failed', text: failureWords(event.data.error) });
      case 'canceled': {
        const isAsleep = beside.some((each) => isWorkspaceIn(each, 'hibernating'));
        return ends({
          type: 'stopped',
          text: isAsleep ? `The workspace was put to sleep. ${RUNS_AGAIN}` : 'Stopped.',
        });
      }
    }
  }

  private workspace(
    event: WorkspaceEvent,
    before: WorkspaceEvent | undefined,
    after: WorkspaceEvent | undefined,
  ): void {
    const key = `event/${event.seq}`;
    if (event.data.state === 'hibernated') this.say(null, key, { type: 'asleep' });
    // Where a turn ended by it, its end says so.
    const isTold = [before, after].some(
      (each) => each?.type === 'message.state' && each.data.state === 'failed',
    );
    if (event.data.state === 'failed' && !isTold) {
      const error = { code: 'workspace-failed', message: textOf(event, 'reason') };
      this.say(null, key, { type: 'failed', text: `The workspace failed: ${failureWords(error)}` });
    }
  }

  private pullRequest(event: WorkspaceEvent): void {
    const { number, updated } = event.data;
    if (event.data.url === this.listening.url) return;
    this.say(null, `event/${event.seq}`, {
      type: 'pull-request',
      url: textOf(event, 'url'),
      number: typeof number === 'number' ? number : 0,
      title: textOf(event, 'title'),
      updated: updated === true,
    });
  }

  private take(open: Map<string, Open>, turn: string): string {
    const text = open.get(turn)?.text ?? '';
    open.delete(turn);
    return text;
  }

  private say(turn: string | null, key: string, content: ReplyContent): void {
    const about = turn === null ? {} : (this.listening.turns.get(turn) ?? {});
    this.#told.push({ key, content, about });
  }
}

function note(open: Map<string, Open>, turn: string, seq: number, text: string): void {
  const known = open.get(turn);
  open.set(turn, { from: known?.from ?? seq, text: (known?.text ?? '') + text });
}

function textOf(event: WorkspaceEvent, field: string): string {
  const value = event.data[field];
  return typeof value === 'string' ? value : '';
}

function isWorkspaceIn(event: WorkspaceEvent | undefined, state: string): boolean {
  return event?.type === 'workspace.state' && event.data.state === state;
}
