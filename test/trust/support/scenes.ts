import { randomUUID } from 'node:crypto';
import { FIRST_THOUGHT } from '../../../src/integrations/linear/speech.js';
import type { GithubComment } from '../../emulators/github-world.js';
import { fromGithub, fromLinear, type SignedDelivery } from '../../support/webhooks.js';
import type { Findings } from '../figure.js';
import type { Receiving, Tracked } from './receiving.js';

/** Something that a tracker tells, signed anew each time: as the one delivery that it is, or under another id. */
export type News = (deliveryId?: string) => SignedDelivery;

/** Something that happens at a tracker, and how Berth stands to it in the end, as the tracker itself shows it. */
export interface Scene {
  name: string;
  /** In the order in which it happened. */
  news: News[];
  /** What was told last comes first, and is done before the rest comes. */
  isReversed: boolean;
  check(findings: Findings): Promise<void>;
}

type Make = (receiving: Receiving, tracked: Tracked) => Promise<Scene>;

/** Further words in a session, behind its beginning. */
const WORDS = 2;

/** An issue is given to Berth, and more is written into the session. */
const session: Make = async (receiving, tracked) => {
  const { linear } = receiving;
  const { there, team, ann } = tracked;
  const issue = there.addIssue(team.id, { title: 'Something to do' });
  const told = await linear.delegate(there, issue, ann);
  const bodies = [told.delivery.body];
  for (let at = 0; at < WORDS; at++)
    bodies.push((await linear.prompt(there, told.session, ann, `word ${at}`)).body);
  const url = `#agent-session-${told.session.id.slice(0, 8)}`;
  return {
    name: `session ${told.session.id}`,
    news: bodies.map((body) => newsOfLinear(receiving, body)),
    isReversed: false,
    check: async (findings) => {
      const note = noted(findings, `session ${told.session.id}`);
      await checkWork(receiving, tracked, url, WORDS + 1, note);
      const said = saidIn(receiving, told.session.id);
      note(said.kept.length === 1, `has ${said.kept.length} comments: ${said.kept.join(' | ')}`);
      note(
        said.signs.length === WORDS + 1,
        `has not one sign of life for each of ${WORDS + 1} words: ${said.signs.join(' | ')}`,
      );
      const state = there.stateOf(issue).name;
      note(state === 'In Progress' && issue.delegateId === there.appUser.id, `the issue is ${state}`);
    },
  };
};

/** An issue is given to Berth and taken away again; told of in reverse. */
const takenAway: Make = async (receiving, tracked) => {
  const { linear } = receiving;
  const { there, team, ann } = tracked;
  const issue = there.addIssue(team.id, { title: 'Something else after all' });
  const told = await linear.delegate(there, issue, ann);
  const taken = await linear.undelegate(there, issue, ann);
  const url = `#agent-session-${told.session.id.slice(0, 8)}`;
  return {
    name: `taken away ${told.session.id}`,
    news: [told.delivery.body, taken.body].map((body) => newsOfLinear(receiving, body)),
    isReversed: true,
    check: async (findings) => {
      const note = noted(findings, `taken away ${told.session.id}`);
      const open = await receiving.sql(
        `SELECT 1 FROM turn t JOIN workspace w ON w.id = t.workspace_id
          WHERE w.origin->>'url' LIKE '%' || $1 AND t.state IN ('queued', 'running', 'reauthenticating')`,
        [url],
      );
      note(open.length === 0, `${open.length} turns are under way for what is not Berth's`);
      note(issue.delegateId === null, 'Berth took it back');
      // That it was begun, where it was, and that it was stopped.
      const said = saidIn(receiving, told.session.id);
      note(said.kept.length <= 2, `has ${said.kept.length} comments: ${said.kept.join(' | ')}`);
    },
  };
};

/** Berth is mentioned in a comment, and in another that did not mention it before it was edited. */
const comments: Make = async (receiving, tracked) => {
  const { github, app } = receiving.github;
  const { repository, annAtGithub } = tracked;
  const pull = await github.make.pull(repository, annAtGithub, { head: `feature-${repository.nextNumber}` });
  const { number } = pull;
  const ask = `@${app.slug} rename the handler`;
  const first = github.make.comment(repository, number, annAtGithub, ask);
  const second = github.make.comment(repository, number, annAtGithub, 'please');
  const bodies = [first, second].map((comment) => github.events.issueComment(repository, comment));
  second.body = `@${app.slug} and add a test`;
  bodies.push(github.events.issueComment(repository, second, 'please'));
  return {
    name: `comments on ${number} of ${tracked.there.urlKey}`,
    news: bodies.map((body) => newsOfGithub(receiving, 'issue_comment', body)),
    isReversed: false,
    check: async (findings) => {
      const note = noted(findings, `comments on ${number} of ${tracked.there.urlKey}`);
      await checkWork(receiving, tracked, `/pull/${number}`, 2, note);
      checkPull(receiving, tracked, number, note);
      for (const { reactions } of [first, second])
        note(reactions.length === 1, `has ${reactions.length} reactions on one comment`);
    },
  };
};

/** Berth is mentioned in a review and in one of its comments, each of which is a delivery of its own. */
const review: Make = async (receiving, tracked) => {
  const { github, app } = receiving.github;
  const { repository, annAtGithub } = tracked;
  const pull = await github.make.pull(repository, annAtGithub, { head: `feature-${repository.nextNumber}` });
  const { number } = pull;
  const made = github.make.review(repository, number, annAtGithub, `@${app.slug} please`);
  const on = { path: 'README.md', reviewId: made.id };
  const lines = [`@${app.slug} rename this`, 'and this'].map((text) =>
    github.make.comment(repository, number, annAtGithub, text, on),
  );
  const news = [newsOfGithub(receiving, 'pull_request_review', await github.events.review(repository, made))];
  for (const line of lines) news.push(await newsOfLine(receiving, tracked, line));
  return {
    name: `review of ${number} of ${tracked.there.urlKey}`,
    news,
    isReversed: false,
    check: async (findings) => {
      const note = noted(findings, `review of ${number} of ${tracked.there.urlKey}`);
      await checkWork(receiving, tracked, `/pull/${number}`, 1, note);
      checkPull(receiving, tracked, number, note);
      note(made.reactions.length === 1, `has ${made.reactions.length} reactions`);
    },
  };
};

export const scenes: readonly Make[] = [session, takenAway, comments, review];

export type Note = (holds: boolean, what: string) => void;

const noted =
  (findings: Findings, name: string): Note =>
  (holds, what) =>
    findings.expect(holds, `${name}: ${what}`);

/** One workspace, and each thing that was asked once in it. */
export async function checkWork(
  receiving: Receiving,
  { organization }: Tracked,
  url: string,
  asked: number,
  note: Note,
): Promise<void> {
  const workspaces = await receiving.sql(
    `SELECT id FROM workspace WHERE organization_id = $1 AND origin->>'url' LIKE '%' || $2`,
    [organization.id, url],
  );
  note(workspaces.length === 1, `has ${workspaces.length} workspaces`);
  const [found] = await receiving.sql(
    `SELECT count(*)::int AS n, count(DISTINCT text)::int AS texts FROM message WHERE workspace_id = ANY ($1)`,
    [workspaces.map(({ id }) => id)],
  );
  note(
    found?.n === asked && found.texts === asked,
    `has ${String(found?.n)} messages, ${String(found?.texts)} of them different, for ${asked} requests`,
  );
}

/** One comment and one check, of the work that was begun; what is further asked gets its own when the agent is at it. */
function checkPull(
  { github: { app } }: Receiving,
  { repository }: Tracked,
  number: number,
  note: Note,
): void {
  const said = repository.comments.filter((one) => one.number === number && one.user.id === app.bot.id);
  note(said.length === 1, `has ${said.length} comments`);
  const sha = repository.pulls.get(number)?.head?.lastSha;
  const checks = repository.checkRuns.filter(({ headSha }) => headSha === sha);
  note(checks.length === 1, `has ${checks.length} checks`);
}

/** What Berth wrote into a session for good: signs of life, and the rest. */
export function saidIn({ linear }: Receiving, sessionId: string): { kept: string[]; signs: string[] } {
  const said = linear.calls
    .filter(({ operation, errors }) => operation === 'agentActivityCreate' && errors.length === 0)
    .map(
      ({ variables }) => variables.input as { agentSessionId: string; ephemeral?: boolean; content: object },
    )
    .filter(({ agentSessionId, ephemeral = false }) => agentSessionId === sessionId && !ephemeral)
    .map(({ content }) => JSON.stringify(content));
  const sign = JSON.stringify(FIRST_THOUGHT.content);
  return { kept: said.filter((text) => text !== sign), signs: said.filter((text) => text === sign) };
}

function newsOfLinear({ linear }: Receiving, body: string): News {
  const payload = JSON.parse(body) as Record<string, unknown>;
  const own = randomUUID();
  return (deliveryId = own) => fromLinear(linear.app.webhookSecret, payload, { deliveryId });
}

function newsOfGithub({ github: { app } }: Receiving, event: string, body: object): News {
  const own = randomUUID();
  return (deliveryId = own) => fromGithub(app.webhookSecret ?? '', event, body, deliveryId);
}

async function newsOfLine(receiving: Receiving, { repository }: Tracked, line: GithubComment): Promise<News> {
  const body = await receiving.github.github.events.reviewComment(repository, line);
  return newsOfGithub(receiving, 'pull_request_review_comment', body);
}
