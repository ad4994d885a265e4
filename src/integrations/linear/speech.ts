import type { ReplyContent } from '../../triggers/index.js';
import { plain, readable, said } from './text.js';

/** An activity as Linear wants it; its `id` is set by whoever sends it. */
export interface Activity {
  content: Record<string, string> & { type: 'thought' | 'action' | 'elicitation' | 'response' | 'error' };
  /** Shown until the next activity. What became of its id then nobody says: said once more, it may be shown once more. */
  ephemeral?: true;
  signal?: 'auth' | 'select';
  signalMetadata?: object;
}

/** What is to be done at Linear to say one thing, in this order; each may be done again. */
export interface Speech {
  /** The issue goes to its team's first state for work that is begun, and is Berth's if it is nobody's. */
  begins?: true;
  session?: {
    addedExternalUrls?: { label: string; url: string }[];
    plan?: { content: string; status: string }[];
  };
  pullRequest?: { url: string; title: string };
  activity?: Activity;
}

const PROVIDER_NAME = 'Berth';
/**
 * The first sign of life. It stays, as GitHub's `eyes` do: several may be about to give the same one, and one that comes late is known by its id alone, whatever was said meanwhile. With an activity that the next one
 * takes away its id went, too, and the sign was given again, also where the work was done.
 */
export const FIRST_THOUGHT: Activity = { content: { type: 'thought', body: 'Looking into it.' } };

/** How a reply of Berth's sounds at Linear. `isOver`: the session counts as ended there. */
export function speechOf(reply: ReplyContent, { name, isOver }: { name: string; isOver: boolean }): Speech {
  const own = (text: string): string => said(text, name);
  switch (reply.type) {
    case 'seen':
      return { activity: FIRST_THOUGHT };
    case 'started':
      return {
        begins: true,
        session: { addedExternalUrls: [{ label: 'Workspace', url: reply.workspaceUrl }] },
        activity: {
          content: thought(
            `Working on ${plain(reply.repository)} with ${plain(reply.agent)}, as ${plain(reply.member)}.`,
          ),
        },
      };
    case 'progress':
      return { activity: progress(reply, own) };
    case 'answer':
    case 'stopped':
      return { activity: { content: { type: 'response', body: own(reply.text) } } };
    case 'failed':
    case 'refused':
    case 'paused':
      return { activity: { content: { type: 'error', body: own(reply.text) } } };
    case 'asleep':
      return asleep(isOver);
    case 'authentication':
      return { activity: { content: { type: ofAuthentication[reply.state], body: own(reply.text) } } };
    case 'connect':
      return { activity: connect(reply.url, reply.person.externalId) };
    case 'choose':
      return {
        activity: {
          content: { type: 'elicitation', body: own(reply.question) },
          signal: 'select',
          signalMetadata: { options: reply.options },
        },
      };
    case 'pull-request':
      // No activity: told after the answer, one would make a session that is done look as though it worked.
      return {
        session: { addedExternalUrls: [{ label: `Pull request #${reply.number}`, url: reply.url }] },
        pullRequest: { url: reply.url, title: readable(reply.title) },
      };
    case 'plan':
      return { session: { plan: reply.items.map(planItem) } };
  }
}

const ofAuthentication = { reauthenticating: 'thought', restored: 'thought', failed: 'error' } as const;
const ASLEEP = 'The workspace sleeps. Write here, and it wakes.';

/** After an answer the session is over for Linear, and a further word would open it again. */
const asleep = (isOver: boolean): Speech =>
  isOver ? {} : { activity: { content: { type: 'response', body: ASLEEP } } };

const thought = (body: string): Activity['content'] => ({ type: 'thought', body });

function progress(
  { text, tool }: Extract<ReplyContent, { type: 'progress' }>,
  own: (text: string) => string,
): Activity {
  if (!tool) return { content: thought(own(text) || 'Working.'), ephemeral: true };
  const { name, parameter, result } = tool;
  return {
    content: {
      type: 'action',
      action: own(name) || 'Used a tool',
      parameter: own(parameter),
      ...(result === undefined ? {} : { result: own(result) }),
    },
  };
}

/** Shown to this person alone. */
function connect(url: string, userId: string): Activity {
  return {
    content: {
      type: 'elicitation',
      body: 'Berth does not know yet who you are. Connect your account, and the work begins by itself.',
    },
    signal: 'auth',
    signalMetadata: { url, userId, providerName: PROVIDER_NAME },
  };
}

const PLAN_STATES: Record<string, string> = {
  pending: 'pending',
  in_progress: 'inProgress',
  inProgress: 'inProgress',
  completed: 'completed',
  canceled: 'canceled',
  cancelled: 'canceled',
};

function planItem({ content, status }: { content: string; status: string }): {
  content: string;
  status: string;
} {
  return { content: readable(content) || '…', status: PLAN_STATES[status] ?? 'pending' };
}

/** Whether Linear takes the session for ended after this. */
export function endsWith({ activity }: Speech): boolean | null {
  if (!activity) return null;
  return activity.content.type !== 'thought' && activity.content.type !== 'action';
}
