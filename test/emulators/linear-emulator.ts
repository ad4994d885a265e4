import type { Emulator, EmulatorOptions } from './emulator.js';
import type { LinearLimits } from './linear-limits.js';
import type { LinearApp, LinearLogins } from './linear-oauth.js';
import type { LinearDelivery, LinearWebhooks } from './linear-webhooks.js';
import type { LinearIssue, LinearOrganization, LinearSession, LinearUser } from './linear-world.js';

export interface LinearEmulatorOptions extends EmulatorOptions {
  app?: Partial<LinearApp>;
}

/** One GraphQL call, as it came. */
export interface LinearCall {
  at: string;
  organizationId: string;
  /** The first root field. */
  operation: string;
  variables: Record<string, unknown>;
  errors: string[];
}

/** Linear, emulated: OAuth, GraphQL, and the webhooks of one app. See README.md. */
export interface LinearEmulator extends Emulator {
  readonly logins: LinearLogins;
  readonly limits: LinearLimits;
  readonly webhooks: LinearWebhooks;
  readonly app: LinearApp;
  /** Where the SDK is pointed. */
  readonly graphqlUrl: string;
  readonly organizations: ReadonlyMap<string, LinearOrganization>;
  /** All GraphQL calls since the start or the last `reset()` that took effect, in order. */
  readonly calls: readonly LinearCall[];
  /** How many answers that are held wait for `release()` now. */
  readonly waiting: number;
  /** What becomes of an id that is there already. */
  duplicates: 'refuse' | 'same';
  /** An organization with the app's user in it. The first one's admin is who is signed in. */
  addOrganization(urlKey: string, ids?: { id?: string; appUserId?: string }): LinearOrganization;
  /** Who opens the next authorization page. */
  signIn(organization: LinearOrganization, user: LinearUser): void;

  /** What people do there; each sends what Linear would send. */
  delegate(organization: LinearOrganization, issue: LinearIssue, by: LinearUser | null): Promise<Told>;
  /** `responsible`: for whom it is, where an agent wrote it. In a thread: the session has one of its own, and is told with the first comment of that. */
  mention(
    organization: LinearOrganization,
    issue: LinearIssue,
    by: LinearUser,
    text: string,
    more?: { responsible?: LinearUser; isInThread?: boolean },
  ): Promise<Told>;
  prompt(
    organization: LinearOrganization,
    session: LinearSession,
    by: LinearUser,
    text: string,
    signal?: 'stop',
  ): Promise<LinearDelivery>;
  undelegate(organization: LinearOrganization, issue: LinearIssue, by: LinearUser): Promise<LinearDelivery>;
  removeApp(organization: LinearOrganization): Promise<LinearDelivery>;
  changeTeams(organization: LinearOrganization, added: string[], removed: string[]): Promise<LinearDelivery>;
}

export interface Told {
  session: LinearSession;
  delivery: LinearDelivery;
}
