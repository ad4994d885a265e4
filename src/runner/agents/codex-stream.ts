import type { PlanItem, TurnOutcome } from '../../contracts/runner.js';
import { codeOfStatus, failed, type AgentFailureCode } from './failures.js';
import type { ItemWriter } from './item-writer.js';
import { fields, list, numberOrNull, text, type Fields } from './json.js';

const NAME = 'Codex';

/** `codexErrorInfo` where it is a plain name (`codex app-server generate-ts`, 0.169). */
const ERROR_CODES: Record<string, AgentFailureCode> = {
  unauthorized: 'agent-authentication',
  usageLimitExceeded: 'agent-quota',
  rateLimitExceeded: 'agent-quota',
  sessionBudgetExceeded: 'agent-quota',
  serverOverloaded: 'agent-overloaded',
  internalServerError: 'agent-overloaded',
  flexUnavailable: 'agent-overloaded',
  policyCapacityUnavailable: 'agent-overloaded',
  contextWindowExceeded: 'agent-request-refused',
  modelNotFound: 'agent-request-refused',
  badRequest: 'agent-request-refused',
  cyberPolicy: 'agent-request-refused',
  misalignmentPolicyViolation: 'agent-request-refused',
  inferenceHookDenied: 'agent-request-refused',
  tooManyDenials: 'agent-request-refused',
};

/** The HTTP status in a `codexErrorInfo`, or null; undefined when it is of a kind that has none. */
function statusOf(info: unknown): number | null | undefined {
  const [value] = Object.values(fields(info));
  const status = fields(value);
  return 'httpStatusCode' in status ? numberOrNull(status.httpStatusCode) : undefined;
}

/**
 * Reads the notifications of one turn of `codex app-server` (0.169, recorded) and writes items.
 */
export class CodexStream {
  /** How the turn ended; null until it is known. */
  end: TurnOutcome | null = null;
  /** The turn's id, which an interrupt needs; null until Codex made one. */
  turnId: string | null = null;
  /** True while Codex is trying again by itself. */
  retrying = false;
  #answer = '';
  #lostConnection = false;

  constructor(private readonly writer: ItemWriter) {}

  /** One notification of our thread. */
  accept(method: string, params: Fields): void {
    const item = fields(params.item);
    // Only work shows that the connection is back; status and usage notices come while it is lost, too.
    if (method.startsWith('item/') || method.startsWith('turn/')) this.retrying = false;
    switch (method) {
      case 'turn/started':
        this.turnId = text(fields(params.turn).id);
        break;
      case 'item/agentMessage/delta':
        this.writer.text(text(params.delta));
        break;
      case 'item/started':
        this.#started(item);
        break;
      case 'item/completed':
        this.#completed(item);
        break;
      case 'turn/plan/updated':
        this.writer.plan(list(params.plan).flatMap(planned));
        break;
      case 'error':
        this.#error(params);
        break;
      case 'turn/completed':
        this.#turnCompleted(fields(params.turn));
        break;
    }
  }

  #started(item: Fields): void {
    if (item.type === 'agentMessage') this.writer.paragraph();
    const tool = toolOf(item);
    if (tool !== null) this.writer.toolStarted(text(item.id), tool.name, tool.input);
  }

  #completed(item: Fields): void {
    if (item.type === 'agentMessage') this.#answer = text(item.text);
    const tool = toolOf(item);
    if (tool === null) return;
    // Some items come whole, without a start.
    this.writer.toolStarted(text(item.id), tool.name, tool.input);
    const succeeded = item.status === undefined || item.status === 'completed';
    this.writer.toolEnded(text(item.id), succeeded, tool.output);
  }

  #error(params: Fields): void {
    if (params.willRetry !== true) return;
    this.retrying = true;
    this.#lostConnection = statusOf(fields(params.error).codexErrorInfo) === null;
  }

  #turnCompleted(turn: Fields): void {
    if (turn.status === 'completed') {
      this.writer.answer(this.#answer);
      this.end = { result: 'completed' };
    } else if (turn.status === 'interrupted') {
      this.end = { result: 'canceled' };
    } else {
      this.end = failed(this.#failureCode(fields(turn.error).codexErrorInfo), NAME);
    }
  }

  /** Names and statuses only; the message repeats the provider's words and is never searched. */
  #failureCode(info: unknown): AgentFailureCode {
    const status = statusOf(info);
    if (typeof status === 'number') return codeOfStatus(status);
    if (status === null) return 'network';
    // `other` is a cut stream (after retries that had no status) or a refused request (no retry at all).
    if (info === 'other') return this.#lostConnection ? 'network' : 'agent-request-refused';
    return ERROR_CODES[text(info)] ?? 'agent-crashed';
  }
}

/** `TurnPlanStepStatus` (`codex app-server generate-ts`, 0.169). */
const PLAN_STATES: Record<string, PlanItem['status']> = {
  pending: 'pending',
  inProgress: 'in_progress',
  completed: 'completed',
};

function planned({ step, status }: Fields): PlanItem[] {
  const state = PLAN_STATES[text(status)];
  return state && text(step) !== '' ? [{ content: text(step), status: state }] : [];
}

interface Tool {
  name: string;
  input: string;
  output: string;
}

/** What an item did, when it is one that does something. */
function toolOf(item: Fields): Tool | null {
  switch (item.type) {
    case 'commandExecution':
      return { name: 'shell', input: commandOf(item), output: text(item.aggregatedOutput) };
    case 'fileChange':
      return { name: 'apply_patch', input: changedPaths(item), output: '' };
    case 'mcpToolCall':
      return {
        name: `${text(item.server)}.${text(item.tool)}`,
        input: JSON.stringify(item.arguments ?? {}),
        output: '',
      };
    case 'dynamicToolCall':
      return { name: text(item.tool), input: JSON.stringify(item.arguments ?? {}), output: '' };
    // What its agents do is told in threads of their own. That it began them is enough to know that nothing may be asked again.
    case 'collabAgentToolCall':
      return { name: text(item.tool), input: text(item.prompt), output: '' };
    case 'imageGeneration':
      return { name: 'image_generation', input: text(item.revisedPrompt), output: '' };
    case 'webSearch':
      return { name: 'web_search', input: text(item.query), output: '' };
    default:
      return null;
  }
}

/** The command as the model wrote it; `command` itself is wrapped into a shell. */
function commandOf(item: Fields): string {
  const commands = list(item.commandActions).map((action) => text(action.command));
  return commands.filter((command) => command !== '').join(' && ') || text(item.command);
}

function changedPaths(item: Fields): string {
  return list(item.changes)
    .map((change) => text(change.path))
    .join(', ');
}
