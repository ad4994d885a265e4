import { NO_CAUSE, type Cause } from '../kernel/cause.js';
import type { ClaimedTurn, CommandsAnswer, ReportAnswer, RunnerAssignment } from '../contracts/runner.js';
import { ControlPlaneUnavailable } from './control-plane-errors.js';

/**
 * Checks of what the control plane answers, by hand (zod would cost every runner 13 MB). Unknown fields are let through: a newer control plane may say
 * more. An answer of the wrong shape counts as no answer, since it may come from a gateway in between.
 */
type Fields = Record<string, unknown>;

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) throw wrong(what);
  return value as Fields;
}

function wrong(what: string): ControlPlaneUnavailable {
  return new ControlPlaneUnavailable(`The control plane's answer has no valid ${what}.`);
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw wrong(name);
  return value;
}

function textOrNull(fields: Fields, name: string): string | null {
  return fields[name] === null ? null : text(fields, name);
}

function count(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !(value >= 0)) throw wrong(name);
  return value;
}

function oneOf<T extends string>(fields: Fields, name: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === fields[name]);
  if (found === undefined) throw wrong(name);
  return found;
}

/** The answer to `hello`. */
export function assignmentOf(value: unknown): RunnerAssignment {
  const fields = fieldsOf(value, 'assignment');
  const repository = fieldsOf(fields.repository, 'repository');
  return {
    workspaceId: text(fields, 'workspaceId'),
    repository: {
      type: oneOf(repository, 'type', ['https', 'file'] as const),
      url: text(repository, 'url'),
      path: text(repository, 'path'),
    },
    ref: textOrNull(fields, 'ref'),
    branch: text(fields, 'branch'),
    // Not told by an older control plane, which knows of own branches alone.
    fallbackBranch: fields.fallbackBranch === undefined ? null : textOrNull(fields, 'fallbackBranch'),
    readOnly: fields.readOnly === true,
    instructions: fields.instructions === undefined ? null : textOrNull(fields, 'instructions'),
    agent: oneOf(fields, 'agent', ['claude', 'codex'] as const),
    model: text(fields, 'model'),
  };
}

/** The answer to `claim` when there is a turn. */
export function claimedTurnOf(value: unknown): ClaimedTurn {
  const fields = fieldsOf(value, 'turn');
  const author = fieldsOf(fields.author, 'author');
  return {
    turnId: text(fields, 'turnId'),
    attemptId: text(fields, 'attemptId'),
    attempt: count(fields, 'attempt'),
    mode: oneOf(fields, 'mode', ['start', 'continue', 'replay'] as const),
    text: text(fields, 'text'),
    author: { name: text(author, 'name'), email: text(author, 'email') },
    session: textOrNull(fields, 'session'),
    // Not told by an older control plane, which never asks for a replay.
    point: fields.point === undefined ? null : textOrNull(fields, 'point'),
    cause: causeOf(fields.cause),
  };
}

/** No turn fails for its cause: an older control plane does not tell it. */
function causeOf(value: unknown): Cause {
  if (typeof value !== 'object' || value === null) return NO_CAUSE;
  const { requestId, traceParent } = value as Fields;
  const textOf = (found: unknown): string | null => (typeof found === 'string' ? found : null);
  return { requestId: textOf(requestId), traceParent: textOf(traceParent) };
}

/** The answer to `report`. */
export function reportAnswerOf(value: unknown): ReportAnswer {
  const fields = fieldsOf(value, 'receipt');
  return {
    acknowledged: count(fields, 'acknowledged'),
    retryAfterSeconds: count(fields, 'retryAfterSeconds'),
  };
}

/** The answer to `commands`. */
export function commandsOf(value: unknown): CommandsAnswer {
  const fields = fieldsOf(value, 'commands');
  const { cancel, stop } = fields;
  if (!Array.isArray(cancel) || !cancel.every((id) => typeof id === 'string')) throw wrong('cancel');
  if (typeof stop !== 'boolean') throw wrong('stop');
  return { cancel, stop };
}
