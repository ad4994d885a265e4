import type { ReplySender, ReplyToSend, SendOutcome } from '../../triggers/index.js';
import { BerthError } from '../../kernel/index.js';
import type { LinearApi } from './api.js';
import {
  CREATE_ACTIVITY,
  FIND_ACTIVITY,
  LINK_PULL_REQUEST,
  LINK_URL,
  STANDING,
  standingSchema,
  UPDATE_ISSUE,
  UPDATE_SESSION,
  type Standing,
} from './operations.js';
import { firstThoughtId } from './first-thought.js';
import { endsWith, speechOf, type Activity, type Speech } from './speech.js';
import { linearMadeSchema, linearSubjectSchema, type LinearSubject } from './subject.js';
import { LinearTrouble } from './trouble.js';

type Ask = (query: string, variables: Record<string, unknown>) => Promise<Record<string, unknown>>;

/** Answers in Linear's sessions. */
export function linearSender(api: Pick<LinearApi, 'ask'>): ReplySender {
  return async (job, signal) => {
    const subject = linearSubjectSchema.safeParse(job.conversation.subject);
    if (!subject.success) return { outcome: 'dropped', reason: 'the conversation is none of Linear’s' };
    const { isOver, stopped } = linearMadeSchema.parse(job.conversation.made);
    const { content, about } = job.reply;
    // One stop may end several turns of the session, each of which tells its end.
    if (content.type === 'stopped' && about.askKey !== undefined && content.text === stopped)
      return { outcome: 'dropped', reason: 'it was said already' };
    const speech = speechOf(content, { name: subject.data.appUserName, isOver });
    let calls = 0;
    const ask: Ask = (query, variables) => {
      calls += 1;
      return api.ask(job.organizationId, query, variables, signal);
    };
    try {
      const outcome = await say(ask, subject.data, speech, job);
      return { ...outcome, calls };
    } catch (error) {
      return outcomeOf(error);
    }
  };
}

/** Each step may be done again: links and URLs are one per URL, an issue that was begun stays so, an activity has the reply's own id. */
async function say(ask: Ask, subject: LinearSubject, speech: Speech, job: ReplyToSend): Promise<SendOutcome> {
  const { begins, session, pullRequest, activity } = speech;
  const { content } = job.reply;
  const id = activityIdOf(job);
  // The first sign of life first: ten seconds after a session began it counts as unresponsive (linear.md 2).
  if (session) await ask(UPDATE_SESSION, { session: subject.sessionId, input: session });
  if (activity && !(isOfBeginning(job) && (await isThere(ask, id)))) await create(ask, subject, activity, id);
  if (begins) await unlessRefused(() => begin(ask, subject));
  if (pullRequest) await unlessRefused(() => link(ask, subject, pullRequest));
  const isOver = endsWith(speech);
  return {
    outcome: 'sent',
    ...(activity ? { externalId: id } : {}),
    ...(isOver === null
      ? {}
      : { made: { isOver, stopped: content.type === 'stopped' ? content.text : null } }),
  };
}

/** A sign of life has that of its ask, under which the handler may give it as well. */
function activityIdOf({ organizationId, reply: { content, about, externalKey } }: ReplyToSend): string {
  if (content.type !== 'seen' || about.askKey === undefined) return externalKey;
  return firstThoughtId(organizationId, about.askKey);
}

/** A sign of life for the session's beginning, which the handler has most likely given by now. */
const isOfBeginning = ({ conversation, reply: { content, about } }: ReplyToSend): boolean =>
  content.type === 'seen' && about.askKey === conversation.key;

async function create(ask: Ask, { sessionId }: LinearSubject, activity: Activity, id: string): Promise<void> {
  try {
    await ask(CREATE_ACTIVITY, { input: { id, agentSessionId: sessionId, ...activity } });
  } catch (error) {
    // Whether an id that is there already is refused Linear does not say: then it was said before, and its answer was lost.
    if (!isRefusal(error) || !(await isThere(ask, id))) throw error;
  }
}

async function isThere(ask: Ask, id: string): Promise<boolean> {
  try {
    return (await ask(FIND_ACTIVITY, { id })).agentActivity !== null;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

async function begin(ask: Ask, { issueId, appUserId, isDelegated }: LinearSubject): Promise<void> {
  const { issue } = standingSchema.parse(await ask(STANDING, { issue: issueId }));
  // It was taken away before this could be said: it is not begun, and not taken back.
  if (isDelegated && issue.delegate?.id !== appUserId) return;
  const input = beginning(issue, appUserId);
  if (Object.keys(input).length > 0) await ask(UPDATE_ISSUE, { issue: issueId, input });
}

/** What is to be changed of an issue when its work begins (linear.md 2). What is begun, done or given up already is left where it is, and so is what others were given. */
export function beginning(
  { state, delegate, team }: Standing,
  appUserId: string,
): { stateId?: string; delegateId?: string } {
  const started = team.states.nodes
    .filter(({ type }) => type === 'started')
    .sort((one, other) => one.position - other.position)[0];
  const isBefore = !['started', 'completed', 'canceled'].includes(state.type);
  return {
    ...(isBefore && started ? { stateId: started.id } : {}),
    ...(delegate ? {} : { delegateId: appUserId }),
  };
}

async function link(
  ask: Ask,
  { issueId }: LinearSubject,
  pull: { url: string; title: string },
): Promise<void> {
  const variables = { issue: issueId, url: pull.url, title: pull.title || pull.url };
  try {
    await ask(LINK_PULL_REQUEST, variables);
  } catch (error) {
    // A host that Linear does not know as GitHub: a link is a link.
    if (!isRefusal(error)) throw error;
    await ask(LINK_URL, variables);
  }
}

/** What goes with an answer must not keep it from being given. */
async function unlessRefused(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

const isRefusal = (error: unknown): boolean => error instanceof LinearTrouble && error.kind === 'refused';

const RETRY_SECONDS = 5;
const RECONNECT_SECONDS = 60;

function outcomeOf(error: unknown): SendOutcome {
  if (error instanceof LinearTrouble) {
    const { kind, message: reason, retryAfterSeconds } = error;
    if (kind === 'refused') return { outcome: 'dropped', reason };
    return { outcome: 'later', reason, retryAfterSeconds, ...(kind === 'limited' ? { forAll: true } : {}) };
  }
  // Its login was ended, and an admin connects it again. Disconnected for good, its conversations are closed, and nothing waits there.
  if (error instanceof BerthError && error.code === 'not-connected')
    return { outcome: 'later', reason: error.message, retryAfterSeconds: RECONNECT_SECONDS };
  if (error instanceof BerthError && error.retryAfterSeconds !== undefined)
    return { outcome: 'later', reason: error.message, retryAfterSeconds: error.retryAfterSeconds };
  if (error instanceof BerthError)
    return { outcome: 'later', reason: error.message, retryAfterSeconds: RETRY_SECONDS };
  throw error;
}
