import type { PlanItem } from '../../contracts/runner.js';
import { fields, list, text, type Fields } from './json.js';

/** By which Claude writes down what it means to do, and does nothing else: one task each (CLI 2.1.330, recorded), or all of them each time. */
const TASK_TOOLS = new Set(['TaskCreate', 'TaskUpdate', 'TaskList']);
const WHOLE_TOOL = 'TodoWrite';
/** Not by the contract's schema: a runner has no zod. The type holds them to it. */
const STATES: Record<PlanItem['status'], true> = { pending: true, in_progress: true, completed: true };

/** What Claude means to do, by its own words of this run. */
export class ClaudePlan {
  /** By the task's number, in the order in which they were made. */
  readonly #items = new Map<string, PlanItem>();
  /** Calls whose result is yet to come, with what they were given. */
  readonly #calls = new Map<string, Fields>();

  /** True for a call that is about the plan alone: it is no tool call for people. */
  called({ id, name, input }: Fields): boolean {
    if (name === WHOLE_TOOL) return this.#replace(list(fields(input).todos), 'content');
    if (!TASK_TOOLS.has(text(name))) return false;
    this.#calls.set(text(id), fields(input));
    return true;
  }

  /** What came of a call: `result` is the event's `tool_use_result`. True when it was about the plan. */
  ended(id: string, result: Fields): boolean {
    const input = this.#calls.get(id);
    if (!input) return false;
    this.#calls.delete(id);
    if (Array.isArray(result.tasks)) this.#replace(list(result.tasks), 'subject');
    const made = fields(result.task);
    if (text(made.id) !== '') this.#set(text(made.id), text(made.subject), 'pending');
    if (result.success === true) this.#update(text(result.taskId), input);
    return true;
  }

  get items(): PlanItem[] {
    return [...this.#items.values()];
  }

  #update(id: string, { subject, status }: Fields): void {
    const known = this.#items.get(id);
    // Of an earlier run, whose tasks nobody told of in this one.
    if (!known) return;
    if (status === 'deleted') this.#items.delete(id);
    else this.#set(id, text(subject) || known.content, status ?? known.status);
  }

  /** False for what is no list of what is to be done, which changes nothing. */
  #replace(items: readonly Fields[], name: 'content' | 'subject'): boolean {
    if (items.some((item) => text(item[name]) === '' || !isStatus(item.status))) return false;
    this.#items.clear();
    items.forEach((item, at) => this.#set(text(item.id) || String(at), text(item[name]), item.status));
    return true;
  }

  #set(id: string, content: string, status: unknown): void {
    if (content !== '' && isStatus(status)) this.#items.set(id, { content, status });
  }
}

function isStatus(value: unknown): value is PlanItem['status'] {
  return typeof value === 'string' && Object.hasOwn(STATES, value);
}
