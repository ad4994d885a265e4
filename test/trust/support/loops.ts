import { randomUUID } from 'node:crypto';
import { breaker } from '../../../src/triggers/asks/breaker.js';
import type { LinearIssue, LinearSession, LinearUser } from '../../emulators/linear-world.js';
import type { LoopGround, Talk } from './loop-ground.js';

/** A way in which software writes back to Berth. */
export interface Loop {
  name: string;
  /** One person asks, once. */
  begin: (ground: LoopGround) => Promise<Talk>;
  writesBack: (ground: LoopGround, talk: Talk, turn: number) => Promise<unknown>;
  /** So many jobs more it may have done. */
  extra: number;
  /** The payload tells that it is software. */
  isTold?: boolean;
  /** How long it takes for what it writes; default: it is there at once. */
  seconds?: number;
}

/** A person asks on a pull request of its own. */
export async function onPull(ground: LoopGround): Promise<Talk> {
  const { github, widget } = ground.github;
  const { number } = await github.make.pull(widget, ground.ann, { head: `loop-${randomUUID().slice(0, 8)}` });
  const talk = { cause: `repository/${widget.id}/pull/${number}`, number };
  await ground.comments(talk, ground.ann, '@berth-acme begin');
  return talk;
}

/** A person gives an issue of its own to Berth. */
async function onIssue(ground: LoopGround, by: LinearUser | null = ground.annAtLinear): Promise<Talk> {
  const { acme, linear } = ground;
  const [team] = acme.teams.values();
  const issue = acme.addIssue(team?.id ?? '', { title: 'A task' });
  await linear.delegate(acme, issue, by);
  return { cause: issue.id, number: 0 };
}

function issueOf({ acme }: LoopGround, { cause }: Talk): LinearIssue {
  const issue = acme.issues.get(cause);
  if (!issue) throw new Error('There is no such issue.');
  return issue;
}

function sessionOf({ acme }: LoopGround, { cause }: Talk): LinearSession {
  const session = [...acme.sessions.values()].find(({ issueId }) => issueId === cause);
  if (!session) throw new Error('There is no such session.');
  return session;
}

/** Another agent at Linear. */
function otherAgent({ acme }: LoopGround): LinearUser {
  const address = 'other@oauthapp.linear.app';
  const there = [...acme.users.values()].find(({ email }) => email === address);
  return there ?? acme.addUser({ name: 'Other', email: address, app: true });
}

const AGAIN = '@berth-acme go on with it';
const lastOfOurs = ({ github: { widget, app } }: LoopGround, { number }: Talk): string =>
  widget.comments.findLast((one) => one.number === number && one.user === app.bot)?.body ?? '';

const atGithub: Loop[] = [
  {
    name: 'the comment of Berth itself',
    ...{ begin: onPull, extra: 0, isTold: true },
    writesBack: (ground, talk) => ground.comments(talk, ground.github.app.bot, AGAIN, ground.github.app),
  },
  {
    name: 'another bot',
    ...{ begin: onPull, extra: 0, isTold: true },
    writesBack: (ground, talk) => ground.comments(talk, ground.otherApp.bot, AGAIN, ground.otherApp),
  },
  {
    name: 'a bot that is no Bot by its type',
    ...{ begin: onPull, extra: 0, isTold: true },
    writesBack: (ground, talk, turn) => {
      const bot = ground.github.github.make.user(`agent-${talk.number}-${turn}[bot]`);
      ground.github.widget.collaborators.set(bot.id, 'write');
      return ground.comments(talk, bot, AGAIN);
    },
  },
  {
    name: 'a member’s token at our App',
    ...{ begin: onPull, extra: 0, isTold: true },
    writesBack: (ground, talk) => ground.comments(talk, ground.ann, AGAIN, ground.github.app),
  },
  {
    name: 'a member’s token at another App',
    ...{ begin: onPull, extra: 0, isTold: true },
    writesBack: (ground, talk) => ground.comments(talk, ground.ann, AGAIN, ground.otherApp),
  },
  {
    name: 'Berth’s words, sent back by a member’s account',
    ...{ begin: onPull, extra: 0, isTold: true },
    writesBack: (ground, talk) =>
      ground.comments(talk, ground.ann, `${lastOfOurs(ground, talk)}\n\n${AGAIN}`),
  },
  {
    name: 'a member’s own token, at once',
    ...{ begin: onPull, extra: breaker.atOnce - 1 },
    writesBack: (ground, talk) => ground.comments(talk, ground.ann, AGAIN),
  },
  {
    name: 'a member’s own token, after 25 s',
    ...{ begin: onPull, extra: breaker.inConversation - 1, seconds: 25 },
    writesBack: (ground, talk) => ground.comments(talk, ground.ann, AGAIN),
  },
];

const atLinear: Loop[] = [
  {
    name: 'the session of Berth itself',
    ...{ begin: onIssue, extra: 0, isTold: true },
    writesBack: (ground, talk) =>
      ground.linear.mention(ground.acme, issueOf(ground, talk), ground.acme.appUser, '@berth go on'),
  },
  {
    name: 'the prompt of Berth itself',
    ...{ begin: onIssue, extra: 0, isTold: true },
    writesBack: (ground, talk) =>
      ground.linear.prompt(ground.acme, sessionOf(ground, talk), ground.acme.appUser, 'go on'),
  },
  {
    name: 'the session of another agent',
    ...{ begin: onIssue, extra: 0, isTold: true },
    writesBack: (ground, talk) =>
      ground.linear.mention(ground.acme, issueOf(ground, talk), otherAgent(ground), '@berth go on'),
  },
  {
    name: 'the prompt of another agent',
    ...{ begin: onIssue, extra: 0, isTold: true },
    writesBack: (ground, talk) =>
      ground.linear.prompt(ground.acme, sessionOf(ground, talk), otherAgent(ground), 'go on'),
  },
  {
    name: 'an automation that may ask',
    ...{ begin: (ground) => onIssue(ground, null), extra: breaker.ofNobody - 1 },
    writesBack: (ground, talk) => ground.linear.delegate(ground.acme, issueOf(ground, talk), null),
  },
  {
    name: 'a member’s own key in a session, at once',
    ...{ begin: onIssue, extra: breaker.atOnce - 1 },
    writesBack: (ground, talk) =>
      ground.linear.prompt(ground.acme, sessionOf(ground, talk), ground.annAtLinear, 'go on with it'),
  },
  {
    name: 'a member’s own key, each time in a session of its own',
    ...{ begin: onIssue, extra: breaker.atOnce - 1 },
    writesBack: (ground, talk) =>
      ground.linear.mention(ground.acme, issueOf(ground, talk), ground.annAtLinear, '@berth go on with it'),
  },
];

export const loops: readonly Loop[] = [...atGithub, ...atLinear];
