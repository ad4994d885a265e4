import { Injectable } from '@nestjs/common';
import { Database, type Tenant } from '../../database/index.js';
import type { ExternalPerson } from '../../identity/index.js';
import { BerthError, SharedLooks, Turnstile } from '../../kernel/index.js';
import {
  Asks,
  Conversations,
  Stops,
  type Ask,
  type DeliveryToHandle,
  type Handled,
  type Stop,
} from '../../triggers/index.js';
import { LinearApi, passing } from './api.js';
import { LinearConnections } from './connections.service.js';
import { beginningOf, hear, type HeardAsk, type HeardPerson, type HeardSession, type Self } from './heard.js';
import {
  CREATE_ACTIVITY,
  FACTS,
  factsSchema,
  type IssueFacts,
  type LinearPerson,
  type Written,
} from './operations.js';
import { firstThoughtId } from './first-thought.js';
import { FIRST_THOUGHT } from './speech.js';
import { promptOf, repositoryIn } from './prompt.js';
import type { LinearSubject } from './subject.js';
import { LinearTrouble } from './trouble.js';

/**
 * So many asks of this process are decided and written at a time. Each is a long transaction, and a crowd of them would have all connections while others wait for the one that their first sign of life
 * needs.
 */
const AT_A_TIME = 5;
const NOT_CONNECTED = 'ignored-not-connected';

interface Facts {
  issue: IssueFacts;
  /** Null: Linear knows nobody by that id any more, or it was nobody. */
  user: LinearPerson | null;
  /** The comment that it was asked for in, where that was to be asked; null: it was not, or is gone. */
  written: Written | null;
}

/** What becomes of what Linear tells. Safe to run twice: each effect hangs on the key of its meaning. */
@Injectable()
export class LinearHandler {
  readonly #selves = new SharedLooks<Self>();
  readonly #turnstile = new Turnstile(AT_A_TIME);

  constructor(
    private readonly database: Database,
    private readonly connections: LinearConnections,
    private readonly conversations: Conversations,
    private readonly asks: Asks,
    private readonly stops: Stops,
    private readonly api: LinearApi,
  ) {}

  /** Throws `not-ready` for what may pass. */
  async handle(delivery: DeliveryToHandle): Promise<Handled> {
    const { organizationId } = delivery;
    const self = await this.self(organizationId);
    if (!self) return { outcome: NOT_CONNECTED };
    const heard = hear(delivery.event, delivery.action, delivery.body, self);
    switch (heard.what) {
      case 'nothing':
        return { outcome: heard.outcome };
      case 'ask':
        return this.take(delivery, heard, self);
      case 'stop':
        return this.stops.stop({
          organizationId,
          system: 'linear',
          key: heard.key,
          writtenAt: heard.at,
          deliveryRowId: delivery.id,
          conversationKey: conversationKey(heard.sessionId),
          asker: heard.person && unproven(heard.person),
          ...overtakenBy(delivery, self),
        });
      case 'undelegated':
        // First, so that a session of it that is told of later does not begin.
        if (heard.at) await this.stops.forbid(organizationId, 'linear', nameOfIssue(heard.issueId), heard.at);
        return this.stopAll(delivery, heard, 'issueId', heard.issueId);
      case 'team-access-changed':
        for (const teamId of heard.removedTeamIds)
          await this.stopAll(delivery, { key: heard.key, at: null }, 'teamId', teamId);
        return { outcome: 'team-access-changed' };
      case 'revoked':
        return (await this.connections.revokedThere(organizationId))
          ? { outcome: 'disconnected' }
          : { outcome: 'ignored-still-connected' };
    }
  }

  private async self(organizationId: string): Promise<Self | null> {
    try {
      return await this.#selves.take(organizationId, () => this.connections.self(organizationId));
    } catch (error) {
      if (error instanceof BerthError && error.code === 'not-connected') return null;
      throw error;
    }
  }

  /** Told out of order, the beginning of a session is taken before what was written into it: each payload has all of it. */
  private async take(delivery: DeliveryToHandle, heard: HeardAsk, self: Self): Promise<Handled> {
    const { organizationId } = delivery;
    const beginning = heard.by === 'prompt' ? beginningOf(delivery.body, self) : null;
    if (beginning && !(await this.asks.isTaken(organizationId, 'linear', beginning.key)))
      await this.takeOne(delivery, beginning, self);
    return this.takeOne(delivery, heard, self);
  }

  private async takeOne(delivery: DeliveryToHandle, heard: HeardAsk, self: Self): Promise<Handled> {
    const { organizationId } = delivery;
    // Before a sign of life is given for it. Asked of Linear for nothing else: its requests are counted, and what went in circles is not to be told.
    const known = await this.asks.known(organizationId, {
      ...{ system: 'linear', key: heard.key, conversationKey: conversationKey(heard.session.id) },
      ...{ cause: heard.session.issueId, askerId: heard.person?.id ?? null },
      ...orderOf(heard),
    });
    if (known.outcome !== null) return { outcome: known.outcome };
    // Who wrote it is not known yet: an app could have, and answer to a sign of life.
    const isProven = heard.writtenIn === null;
    const [facts] = await Promise.all([
      this.facts(organizationId, heard),
      isProven ? this.firstThought(organizationId, heard) : null,
    ]);
    if (!facts) return { outcome: 'ignored-no-access' };
    if (facts.written?.user?.app) return { outcome: 'ignored-app' };
    if (!isProven) await this.firstThought(organizationId, heard);
    const isConnected = (tenant: Tenant): Promise<boolean> => this.connections.isTied(tenant, self.appUserId);
    try {
      const ask = { ...askOf(delivery, heard, facts, self), beginsAnew: known.beginsAnew, isConnected };
      const { outcome, workspaceId } = await this.#turnstile.run('asks', () => this.asks.take(ask));
      return { outcome, ...(workspaceId ? { workspaceId } : {}) };
    } catch (error) {
      if (error instanceof BerthError && error.code === 'not-connected') return { outcome: NOT_CONNECTED };
      throw error;
    }
  }

  /**
   * A session that began gets a sign of life at once, whatever else there is to do first: after ten seconds Linear shows that nobody answers (linear.md 2). That of nobody gets none: an app could be
   * behind it, and answer. That none could be given is no trouble: it is among what is said later, too.
   */
  private async firstThought(organizationId: string, { by, key, session, person }: HeardAsk): Promise<void> {
    if (by === 'prompt' || !person) return;
    const id = firstThoughtId(organizationId, key);
    const input = { id, agentSessionId: session.id, ...FIRST_THOUGHT };
    await this.api.ask(organizationId, CREATE_ACTIVITY, { input }).catch(() => null);
  }

  /** Null: Linear does not let the app see the issue (any more), and so nothing can be answered there. */
  private async facts(organizationId: string, heard: HeardAsk): Promise<Facts | null> {
    const { session, person, writtenIn } = heard;
    const read = async (user: string | null, comment: string | null): Promise<Facts> => {
      const variables = {
        ...{ issue: session.issueId, user: user ?? '', asks: user !== null },
        ...{ comment: comment ?? '', written: comment !== null },
      };
      const found = factsSchema.parse(await this.api.ask(organizationId, FACTS, variables));
      return { issue: found.issue, user: found.user ?? null, written: found.comment ?? null };
    };
    // Of several things that it is asked for it does not say which one is not there: so for less and less.
    const tries: [string | null, string | null][] = [
      ...(writtenIn === null ? [] : [[person?.id ?? null, writtenIn] as [string | null, string]]),
      ...(person === null ? [] : [[person.id, null] as [string, null]]),
      [null, null],
    ];
    for (const [user, comment] of tries)
      try {
        return await read(user, comment);
      } catch (error) {
        if (!isRefusal(error)) throw passing(error);
      }
    return null;
  }

  private async stopAll(
    { organizationId, id: deliveryRowId }: DeliveryToHandle,
    { key, at }: { key: string; at: Date | null },
    field: keyof LinearSubject,
    value: string,
  ): Promise<Handled> {
    const keys = await this.database.tenant(organizationId, (tenant) =>
      this.conversations.keysAbout(tenant, 'linear', field, value),
    );
    const stop = { organizationId, system: 'linear', deliveryRowId, asker: null, writtenAt: at } as const;
    let last: Handled = { outcome: 'ignored-nothing-here' };
    // Each under a key of its own: an issue may have several sessions, and stopped in one it is not yet stopped in the next.
    for (const conversationKey of keys)
      last = await this.stops.stop({ ...stop, key: `${key}/${conversationKey}`, conversationKey });
    return last;
  }
}

const nameOfIssue = (issueId: string): string => `issue/${issueId}`;
const conversationKey = (sessionId: string): string => `session/${sessionId}`;
const isRefusal = (error: unknown): boolean => error instanceof LinearTrouble && error.kind === 'refused';

function askOf(delivery: DeliveryToHandle, told: HeardAsk, { issue, user, written }: Facts, self: Self): Ask {
  const heard = written ? { ...told, text: written.body } : told;
  const { session, person, text } = heard;
  const chosen = heard.by === 'prompt' ? repositoryIn(text) : null;
  const subject = subjectOf(session, { ...issue, teamId: issue.team.id }, self);
  return {
    organizationId: delivery.organizationId,
    system: 'linear',
    key: heard.key,
    deliveryRowId: delivery.id,
    ...orderOf(heard),
    conversation: { key: conversationKey(session.id), url: session.url || issue.url, subject },
    asker: person && (user ? proven(user) : unproven(person)),
    text: promptOf(heard, issue, self.name),
    characters: text?.length ?? 0,
    title: `${issue.identifier} ${issue.title}`,
    mayStart: true,
    readOnly: false,
    place: {
      linear: {
        teamKey: issue.team.key,
        project: issue.project?.name ?? null,
        labels: issue.labels.nodes.map(({ name }) => name),
        ...(chosen === null ? {} : { chosen }),
      },
    },
  };
}

/** By what it is put in order with what ends it. */
function orderOf({ at, session }: HeardAsk): Pick<Ask, 'writtenAt' | 'partOf'> {
  return { writtenAt: at, partOf: [nameOfIssue(session.issueId)] };
}

function subjectOf(
  { id, isDelegated }: HeardSession,
  issue: { id: string; identifier: string; teamId: string | null },
  self: Self,
): LinearSubject {
  return {
    sessionId: id,
    issueId: issue.id,
    issueIdentifier: issue.identifier,
    teamId: issue.teamId,
    appUserId: self.appUserId,
    isDelegated,
    appUserName: self.name,
  };
}

/** The beginning of the session that a stop ends, which may be told of after it: each payload has all of it. */
function overtakenBy({ body }: DeliveryToHandle, self: Self): Pick<Stop, 'overtaken'> {
  const beginning = beginningOf(body, self);
  if (!beginning) return {};
  const { key, session, person } = beginning;
  const { id, url, issueId, identifier, teamId } = session;
  const subject = subjectOf(session, { id: issueId, identifier, teamId }, self);
  const conversation = { key: conversationKey(id), url, subject };
  return { overtaken: { key, conversation, asker: person && unproven(person) } };
}

/** As Linear knows them now. The address is theirs by Linear's word, unless they are gone or no person. */
function proven({ id, name, displayName, email, app, active }: LinearPerson): ExternalPerson {
  return {
    system: 'linear',
    externalId: id,
    handle: displayName,
    name,
    email,
    emailProven: active && !app,
    isApp: app,
    isActive: active,
  };
}

/** As a delivery names them: enough to be known by the id, and by nothing else. */
function unproven({ id, name }: HeardPerson): ExternalPerson {
  return {
    system: 'linear',
    externalId: id,
    handle: null,
    name,
    email: null,
    emailProven: false,
    isApp: false,
    isActive: true,
  };
}
