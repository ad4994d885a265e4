import type { PlanItem } from '../../contracts/runner.js';
import type { Timer } from '../timer.js';
import type { AgentItem } from './driver.js';
import { TextBuffer } from './text-buffer.js';

/** Longest summary of a tool call that the wire allows, in characters. */
const SUMMARY_CHARACTERS = 2000;
/** So many things of a plan, each so long, does the wire allow. */
const [PLAN_ITEMS, PLAN_CHARACTERS] = [50, 300];
/** Longest answer; with its envelope it must fit one report of 256 KiB. */
const ANSWER_BYTES = 200 * 1024;

function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  // toWellFormed is not in Node 20's types: drop half a character by hand.
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function cutBytes(text: string, bytes: number): string {
  let shorter = text;
  while (Buffer.byteLength(JSON.stringify(shorter)) > bytes)
    shorter = cut(shorter, Math.floor(shorter.length * 0.8));
  return shorter;
}

/** Turns what an agent streams into items: in order, text coalesced, every tool that started also ended. */
export class ItemWriter {
  readonly #buffer: TextBuffer;
  readonly #tools = new Map<string, string>();
  /** What stands before the next text: nothing, or the gap between two blocks. */
  #gap = '';
  #written = false;
  /** As it was told last; none was, at first. */
  #plan = '[]';

  constructor(
    timer: Timer,
    private readonly onItem: (item: AgentItem) => void,
  ) {
    this.#buffer = new TextBuffer(timer, (text) => onItem({ type: 'agent.text', text }));
  }

  session(session: string): void {
    this.onItem({ type: 'agent.session', session });
  }

  text(text: string): void {
    if (text === '') return;
    this.#written = true;
    this.#buffer.add(this.#gap + text);
    this.#gap = '';
  }

  /** A new block of text begins: keeps it apart from the one before. */
  paragraph(): void {
    if (this.#written) this.#gap = '\n\n';
    this.#written = false;
  }

  toolStarted(toolId: string, name: string, summary: string): void {
    if (this.#tools.has(toolId)) return;
    this.#tools.set(toolId, name);
    this.#tool(toolId, name, 'started', summary);
  }

  toolEnded(toolId: string, succeeded: boolean, summary: string): void {
    const name = this.#tools.get(toolId);
    if (name === undefined) return;
    this.#tools.delete(toolId);
    this.#tool(toolId, name, succeeded ? 'completed' : 'failed', summary);
  }

  /** The plan as it is now. The same again is nothing new. */
  plan(items: readonly PlanItem[]): void {
    const plan = items
      .slice(0, PLAN_ITEMS)
      .map(({ content, status }) => ({ content: cut(content.trim(), PLAN_CHARACTERS), status }));
    const text = JSON.stringify(plan);
    if (text === this.#plan) return;
    this.#plan = text;
    this.#buffer.flush();
    this.onItem({ type: 'agent.plan', items: plan });
  }

  answer(text: string): void {
    this.#buffer.flush();
    if (text !== '') this.onItem({ type: 'agent.answer', text: cutBytes(text, ANSWER_BYTES) });
  }

  /** The agent ended: passes on the last text, and ends the tools that it did not. */
  end(): void {
    this.#buffer.flush();
    for (const toolId of [...this.#tools.keys()]) this.toolEnded(toolId, false, '');
  }

  #tool(toolId: string, name: string, state: 'started' | 'completed' | 'failed', summary: string): void {
    this.#buffer.flush();
    const text = cut(summary.trim(), SUMMARY_CHARACTERS);
    this.onItem({ type: 'agent.tool', toolId, name, state, ...(text === '' ? {} : { summary: text }) });
  }
}
