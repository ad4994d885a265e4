import { RequestError, type Octokit } from 'octokit';
import type { Tenant } from '../../database/index.js';
import { BerthError } from '../../kernel/index.js';
import {
  ownPartIn,
  withOwnPart,
  type ConversationPlace,
  type HostedPull,
  type Opened,
  type PullRequestHost,
  type PullRequestPlace,
  type WantedPull,
} from '../../triggers/index.js';

/** How GitHub is called for an installation, and which of them reaches a repository. */
export interface GithubClients {
  /** Narrowed to one repository. */
  octokitFor(organizationId: string, installationId: string, repositoryId: string): Promise<Octokit>;
  /** By an installation that is not suspended; null: none. Inside a transaction. */
  reaching(tenant: Tenant, fullName: string): Promise<PullRequestPlace | null>;
}

/** As the API answers one; of a list or alone. */
interface AnsweredPull {
  number: number;
  html_url: string;
  title: string;
  state: string;
  merged_at?: string | null;
  body: string | null;
  base: { ref: string };
}

const [NOT_FOUND, INVALID, TOO_MANY] = [404, 422, 429];
const RETRY_SECONDS = 60;

/** Opens pull requests at GitHub, as the App. */
export class GithubPullRequests implements PullRequestHost {
  constructor(private readonly clients: GithubClients) {}

  placeOf(tenant: Tenant, fullName: string): Promise<PullRequestPlace | null> {
    return this.clients.reaching(tenant, fullName);
  }

  async open(organizationId: string, place: PullRequestPlace, wanted: WantedPull): Promise<Opened> {
    const { rest } = await this.octokit(organizationId, place);
    try {
      const found = await openFor(rest, place, wanted.head);
      if (found) return { outcome: 'open', pull: hosted(found), isNew: false };
      const base = await baseFor(rest, place, wanted.from);
      const { data } = await rest.pulls.create({
        ...ownerAndName(place),
        ...{ head: wanted.head, base, title: wanted.title, body: withOwnPart(null, wanted.body) },
        // Branch and base are in one repository; of a branch of elsewhere GitHub would refuse anything else (fork_collab).
        maintainer_can_modify: false,
        // Not idempotent: what was lost on the way is looked for, and not asked for again.
        request: { retries: 0 },
      });
      return { outcome: 'open', pull: hosted(data), isNew: true };
    } catch (error) {
      return this.notOpened(rest, place, wanted, error);
    }
  }

  async describe(
    organizationId: string,
    place: PullRequestPlace,
    number: number,
    part: string,
  ): Promise<HostedPull | null> {
    const { rest } = await this.octokit(organizationId, place);
    const which = { ...ownerAndName(place), pull_number: number };
    try {
      const { data } = await rest.pulls.get(which);
      const pull = hosted(data);
      // Whose text it is that is not ours any more, or never was: people's.
      const isOurs = ownPartIn(data.body) !== null;
      if (pull.state === 'open' && isOurs)
        await rest.pulls.update({ ...which, body: withOwnPart(data.body, part) });
      return pull;
    } catch (error) {
      if (statusOf(error) === NOT_FOUND) return null;
      throw later(error);
    }
  }

  conversationOf(
    { installationId, repositoryId, fullName }: PullRequestPlace,
    { number, url }: HostedPull,
    head: string,
  ): ConversationPlace {
    return {
      system: 'github',
      key: pullKey(repositoryId, number),
      url,
      subject: { installationId, repositoryId, fullName, number, kind: 'pull', headRef: head, isFork: false },
    };
  }

  private async octokit(organizationId: string, place: PullRequestPlace): Promise<Octokit> {
    return this.clients.octokitFor(organizationId, place.installationId, place.repositoryId);
  }

  /** What a refusal means. Sentences are ours: GitHub's repeat what was sent. */
  private async notOpened(
    rest: Octokit['rest'],
    place: PullRequestPlace,
    { head }: WantedPull,
    error: unknown,
  ): Promise<Opened> {
    const status = statusOf(error);
    if (status === INVALID) {
      const said = messagesOf(error);
      if (/No commits between/i.test(said)) return { outcome: 'nothing-new' };
      // Another of us was first.
      const found = /already exists/i.test(said) ? await openFor(rest, place, head) : null;
      if (found) return { outcome: 'open', pull: hosted(found), isNew: false };
      return refusedBy('GitHub did not take a pull request of it. Open one yourself.');
    }
    if (status === NOT_FOUND)
      return refusedBy(
        'GitHub does not show Berth this repository any more. Check where its App is installed.',
      );
    if (status === 403 && !isLimit(error))
      return refusedBy(
        'GitHub does not let Berth open a pull request here. Check the permissions of its App.',
      );
    throw later(error);
  }
}

/** The immutable name of the conversation about a pull request. */
export function pullKey(repositoryId: string, number: number): string {
  return `repository/${repositoryId}/pull/${number}`;
}

function ownerAndName({ fullName }: PullRequestPlace): { owner: string; repo: string } {
  const [owner = '', repo = ''] = fullName.split('/');
  return { owner, repo };
}

async function openFor(
  rest: Octokit['rest'],
  place: PullRequestPlace,
  head: string,
): Promise<AnsweredPull | null> {
  const { owner, repo } = ownerAndName(place);
  const { data } = await rest.pulls.list({
    owner,
    repo,
    state: 'open',
    head: `${owner}:${head}`,
    per_page: 1,
  });
  return data[0] ?? null;
}

/** What work began from, if that is a branch; else the default branch. */
async function baseFor(rest: Octokit['rest'], place: PullRequestPlace, from: string | null): Promise<string> {
  const where = ownerAndName(place);
  if (from !== null) {
    try {
      return (await rest.repos.getBranch({ ...where, branch: from })).data.name;
    } catch (error) {
      if (statusOf(error) !== NOT_FOUND) throw error;
    }
  }
  return (await rest.repos.get(where)).data.default_branch;
}

function hosted({
  number,
  html_url: url,
  title,
  state,
  merged_at: mergedAt,
  base,
}: AnsweredPull): HostedPull {
  const isMerged = mergedAt !== null && mergedAt !== undefined;
  return {
    number,
    url,
    title,
    base: base.ref,
    state: isMerged ? 'merged' : state === 'open' ? 'open' : 'closed',
  };
}

function refusedBy(message: string): Opened {
  return { outcome: 'refused', message };
}

function statusOf(error: unknown): number | null {
  return error instanceof RequestError ? error.status : null;
}

/** A primary or secondary limit also comes as 403 (github.md, "Limits"). */
function isLimit(error: unknown): boolean {
  const headers = error instanceof RequestError ? error.response?.headers : undefined;
  return (
    statusOf(error) === TOO_MANY ||
    headers?.['retry-after'] !== undefined ||
    headers?.['x-ratelimit-remaining'] === '0'
  );
}

function messagesOf(error: unknown): string {
  if (!(error instanceof RequestError)) return '';
  const { data } = (error.response ?? {}) as { data?: { errors?: { message?: unknown }[] } };
  const all = [error.message, ...(data?.errors ?? []).map(({ message }) => message)];
  return all.filter((each) => typeof each === 'string').join(' ');
}

/** Of the moment: asked again by the job, and by the sweep after it. */
function later(error: unknown): BerthError {
  if (error instanceof BerthError) return error;
  const after = error instanceof RequestError ? Number(error.response?.headers['retry-after']) : NaN;
  return new BerthError('not-ready', 'GitHub did not answer as it should. It is asked again.', {
    cause: error,
    retryAfterSeconds: after > 0 ? after : RETRY_SECONDS,
  });
}
