import { randomUUID } from 'node:crypto';
import type { Clock } from '../../src/kernel/index.js';

/** A person of a Linear organization, or an app's own user. */
export interface LinearUser {
  id: string;
  name: string;
  email: string;
  app: boolean;
  active: boolean;
  guest: boolean;
  admin: boolean;
}

export interface LinearTeam {
  id: string;
  key: string;
  name: string;
}

export interface LinearState {
  id: string;
  teamId: string;
  name: string;
  /** `backlog`, `unstarted`, `started`, `completed`, `canceled`. */
  type: string;
  position: number;
}

export interface LinearNamed {
  id: string;
  name: string;
}

export interface LinearIssue {
  id: string;
  number: number;
  teamId: string;
  title: string;
  description: string | null;
  stateId: string;
  labelIds: string[];
  projectId: string | null;
  assigneeId: string | null;
  delegateId: string | null;
  creatorId: string | null;
}

export interface LinearComment {
  id: string;
  issueId: string | null;
  parentId: string | null;
  userId: string | null;
  body: string;
  createdAt: Date;
}

export interface LinearAttachment {
  id: string;
  issueId: string;
  url: string;
  title: string;
}

export interface LinearActivity {
  id: string;
  sessionId: string;
  userId: string;
  content: { type: string; [part: string]: unknown };
  /** The comment in which it was written; none of what an agent says. */
  sourceCommentId?: string | null;
  ephemeral: boolean;
  signal: string | null;
  signalMetadata: unknown;
  createdAt: Date;
}

export interface LinearSession {
  id: string;
  issueId: string;
  creatorId: string | null;
  commentId: string;
  sourceMetadata: unknown;
  plan: unknown;
  summary: string | null;
  externalUrls: { label: string; url: string }[];
  createdAt: Date;
  updatedAt: Date;
  /** When the app first did something that counts as a sign of life. */
  firstSignAt: Date | null;
  dismissedAt: Date | null;
}

const STATES: [string, string][] = [
  ['Backlog', 'backlog'],
  ['Todo', 'unstarted'],
  // Not in the order of position, so that nobody takes the first that comes.
  ['In Review', 'started'],
  ['In Progress', 'started'],
  ['Done', 'completed'],
  ['Canceled', 'canceled'],
];
const POSITIONS: Record<string, number> = { 'In Progress': 2, 'In Review': 3 };

/** One Linear organization ("workspace"), with the app in it. Its parts are plain records, which a test may change. */
export class LinearOrganization {
  readonly users = new Map<string, LinearUser>();
  readonly teams = new Map<string, LinearTeam>();
  readonly states = new Map<string, LinearState>();
  readonly labels = new Map<string, LinearNamed>();
  readonly projects = new Map<string, LinearNamed>();
  readonly issues = new Map<string, LinearIssue>();
  readonly comments = new Map<string, LinearComment>();
  readonly attachments = new Map<string, LinearAttachment>();
  readonly sessions = new Map<string, LinearSession>();
  readonly activities = new Map<string, LinearActivity>();
  /** What Linear would guess for an issue: repository and confidence. */
  readonly suggestions = new Map<string, { repository: string; confidence: number }[]>();
  readonly appUser: LinearUser;
  readonly webhookId = randomUUID();

  constructor(
    readonly clock: Clock,
    readonly urlKey: string,
    appName: string,
    ids: { id?: string; appUserId?: string } = {},
  ) {
    this.id = ids.id ?? randomUUID();
    const email = `${randomUUID()}@oauthapp.linear.app`;
    this.appUser = this.addUser({ id: ids.appUserId ?? randomUUID(), name: appName, email, app: true });
  }

  readonly id: string;

  addUser(user: Partial<LinearUser> & { email: string }): LinearUser {
    const made = {
      id: randomUUID(),
      name: user.email.split('@')[0] ?? user.email,
      app: false,
      active: true,
      guest: false,
      admin: false,
      ...user,
    };
    this.users.set(made.id, made);
    return made;
  }

  addTeam(key: string, name = key, id: string = randomUUID()): LinearTeam {
    const team = { id, key, name };
    this.teams.set(id, team);
    STATES.forEach(([state, type], index) => {
      const made = { id: randomUUID(), teamId: id, name: state, type, position: POSITIONS[state] ?? index };
      this.states.set(made.id, made);
    });
    return team;
  }

  addLabel(name: string): LinearNamed {
    return put(this.labels, { id: randomUUID(), name });
  }

  addProject(name: string): LinearNamed {
    return put(this.projects, { id: randomUUID(), name });
  }

  addIssue(teamId: string, issue: Partial<LinearIssue> & { title: string }): LinearIssue {
    const todo = this.statesOf(teamId).find(({ name }) => name === 'Todo');
    return put(this.issues, {
      id: randomUUID(),
      number: this.issues.size + 1,
      teamId,
      description: null,
      stateId: todo?.id ?? '',
      labelIds: [],
      projectId: null,
      assigneeId: null,
      delegateId: null,
      creatorId: null,
      ...issue,
    });
  }

  statesOf(teamId: string): LinearState[] {
    return [...this.states.values()].filter((state) => state.teamId === teamId);
  }

  stateOf({ stateId }: LinearIssue): LinearState {
    return must(this.states.get(stateId), 'state');
  }

  identifierOf({ teamId, number }: LinearIssue): string {
    return `${this.teams.get(teamId)?.key ?? '?'}-${number}`;
  }

  /** By id, or by identifier as in `ENG-101`. */
  issue(idOrIdentifier: string): LinearIssue | undefined {
    return (
      this.issues.get(idOrIdentifier) ??
      [...this.issues.values()].find((issue) => this.identifierOf(issue) === idOrIdentifier)
    );
  }

  urlOf(issue: LinearIssue): string {
    return `https://linear.app/${this.urlKey}/issue/${this.identifierOf(issue)}`;
  }

  /** Of a session, oldest first. */
  activitiesOf(sessionId: string): LinearActivity[] {
    return [...this.activities.values()].filter((activity) => activity.sessionId === sessionId);
  }

  attachmentsOf(issueId: string): LinearAttachment[] {
    return [...this.attachments.values()].filter((attachment) => attachment.issueId === issueId);
  }
}

function put<T extends { id: string }>(map: Map<string, T>, value: T): T {
  map.set(value.id, value);
  return value;
}

/** Throws for what a test meant to be there. */
export function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`no such ${what} in the emulator`);
  return value;
}
