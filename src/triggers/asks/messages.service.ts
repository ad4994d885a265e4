import { Injectable } from '@nestjs/common';
import { ChatsService } from '../../chats/index.js';
import { PublicUrl } from '../../http/index.js';
import { Preferences, type Actor } from '../../identity/index.js';
import { BerthError, type ErrorCode } from '../../kernel/index.js';
import { decisionOn, refused, type Case, type Ending } from './ask-case.js';
import type { ReplyContent } from '../replies/content.js';
import type { Ask, AskOutcome } from './ask.js';
import { asksStore } from './asks.store.js';
import { Starting, type Plan, type Question } from './starting.service.js';
import { promptFrom } from './words.js';

/** What people are told as it is, since it is said for them; all else is ours to look into. */
const told: Partial<Record<ErrorCode, AskOutcome>> = {
  'no-agent-credential': 'no-agent-credential',
  'limit-workspaces': 'refused-limit',
  'limit-running': 'refused-limit',
  'budget-spent': 'refused-budget',
  'workspace-failed': 'refused-workspace-failed',
  'validation-failed': 'refused-repository',
};

const NO_MAPPING =
  'Berth does not know which repository this is about. An admin of the organization can say it: map the Linear team to a repository in Berth.';

const NOT_A_PERSON =
  'No person asked for this, and the workspace here works for people alone, so nothing was done.';

/** Makes messages of asks: the first of a workspace, or a further one. */
@Injectable()
export class Messages {
  constructor(
    private readonly chats: ChatsService,
    private readonly starting: Starting,
    private readonly preferences: Preferences,
    private readonly publicUrl: PublicUrl,
  ) {}

  /** A further turn in the workspace behind the conversation, by whoever wrote, and with their credentials. */
  continue(one: Case): Promise<Ending> {
    // It is a person's, who pays for it: an automation must not have it do something in their name, nor in an owner's.
    if (one.who === null) return Promise.resolve(refused(one.ask, 'refused-automation', NOT_A_PERSON));
    return orSay(one, async (actor) => {
      const { ask, conversation } = one;
      const workspaceId = conversation.workspaceId ?? '';
      const { id: messageId } = await this.chats.sendThrough(actor, workspaceId, promptFrom(ask.text));
      return { state: 'taken', outcome: 'continued', workspaceId, messageId, say: [seen(one)] };
    });
  }

  /** A workspace with its first message, and the conversation tied to it. */
  start(one: Case): Promise<Ending> {
    const { ask, plan } = one;
    if (!plan) return Promise.resolve(refused(ask, 'no-mapping', NO_MAPPING));
    if ('repositories' in plan) return Promise.resolve(whichRepository(one, plan));
    return orSay(one, (actor) => this.startAs(actor, one, plan));
  }

  private async startAs(actor: Actor, one: Case, plan: Plan): Promise<Ending> {
    const { tenant, ask, conversation, at } = one;
    // What was asked before somebody said where: the answer itself is no work.
    const before = await asksStore.unplaced(tenant, conversation.id);
    const isAnswer = before.length > 0 && isChoice(ask);
    const texts = [...before.map(({ text }) => text), ...(isAnswer ? [] : [ask.text])];
    const isNobodys = one.who === null;
    const preferred = isNobodys
      ? { agent: null, model: null }
      : await this.preferences.of(tenant, actor.userId);
    const text = texts.join('\n\n');
    const [input, terms] = this.starting.workspaceFor(ask, text, plan, preferred, decisionOn(one));
    if (isNobodys) terms.organizationOnly = true;
    const { id: workspaceId, agent } = await this.chats.createWorkspace(actor, input, terms);
    const [first] = await this.chats.messageIds(tenant, workspaceId);
    await asksStore.placed(
      tenant,
      before.map(({ id }) => id),
      first ?? null,
      at,
    );
    const started = {
      type: 'started' as const,
      workspaceUrl: `${this.publicUrl.url.replace(/\/+$/, '')}/workspaces/${workspaceId}`,
      repository: plan.repository,
      agent,
      member: isNobodys ? 'the organization' : actor.name,
    };
    return {
      ...{ state: 'taken', outcome: isAnswer ? 'repository-chosen' : 'started', workspaceId },
      ...(first === undefined ? {} : { messageId: first }),
      say: [seen(one), { key: `started/${workspaceId}`, content: started }, ...notes(plan, workspaceId)],
    };
  }
}

/** Which repository? Asked of whoever reads it there; what was asked for is kept with the question. */
function whichRepository({ ask }: Case, { repositories }: Question): Ending {
  const options = repositories.map((name) => ({ label: name, value: name }));
  const content = { type: 'choose' as const, question: 'Which repository is this about?', options };
  return {
    ...{ state: 'waiting', outcome: 'repository-asked', question: { text: promptFrom(ask.text) } },
    say: [{ key: `choose/${ask.key}`, content }],
  };
}

function isChoice({ place }: Ask): boolean {
  return 'linear' in place && place.linear.chosen !== undefined;
}

/** What of WORKFLOW.md is not used, so that whoever wrote it hears of it. */
function notes({ workflow }: Plan, workspaceId: string): { key: string; content: ReplyContent }[] {
  if (workflow.problems.length === 0) return [];
  return [
    { key: `workflow/${workspaceId}`, content: { type: 'progress', text: workflow.problems.join('\n') } },
  ];
}

function seen({ ask }: Case): { key: string; content: { type: 'seen' } } {
  return { key: `seen/${ask.key}`, content: { type: 'seen' } };
}

/** Does it as who asked. What cannot be is undone as a part of its own, and said in the words of the refusal. */
async function orSay(one: Case, work: (actor: Actor) => Promise<Ending>): Promise<Ending> {
  const { who, stand, ask } = one;
  const actor = who?.outcome === 'linked' ? who.actor : stand;
  if (!actor) throw new BerthError('internal', 'A message was to be made of what nobody known has asked.');
  try {
    return await work(actor);
  } catch (error) {
    const outcome = error instanceof BerthError ? told[error.code] : undefined;
    if (!(error instanceof BerthError) || outcome === undefined) throw error;
    const { say = [], ...rest } = refused(ask, outcome, error.message);
    return { ...rest, say: [seen(one), ...say] };
  }
}
