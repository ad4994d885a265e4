import { Injectable } from '@nestjs/common';
import { ANONYMOUS, Audit } from '../audit/index.js';
import { BerthError, GatheredLooks, World } from '../kernel/index.js';
import { Database, SystemStore, type MachineTokenRow, type PersonRow } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { auditedPerson, type Actor, type Machine, type Person } from './actor.js';
import { hashMatches, hashToken, prefixOf } from './api-key.js';
import { Attempts } from './attempts.js';
import { passwordMatches } from './password.js';

const SESSION_DAYS = 30;
const SESSION_BYTES = 32;
const DAY_MS = 24 * 3600 * 1000;
/** An API key's `lastUsedAt` is written at most this often, so that a busy key does not write on every request. */
const TOUCH_EVERY_MS = 60_000;

/** Failed sign-ins allowed per address and per caller: enough for a forgetful person, useless for guessing. */
const ATTEMPTS = { perAddress: 10, perCaller: 100 };

/**
 * Finds out who calls: a password, an API key, a session, a machine token. Each way answers a Person or a Machine, or null; none tells why not.
 */
@Injectable()
export class SignInService {
  /** A crowd of proxies asks at once when what serves them runs out. */
  readonly #machines = new GatheredLooks<MachineTokenRow>();
  private readonly byAddress = new Attempts(ATTEMPTS.perAddress, 'email', 'sign in');
  private readonly byCaller = new Attempts(ATTEMPTS.perCaller, 'ip', 'sign in');

  constructor(
    private readonly system: SystemStore,
    private readonly database: Database,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** The person with this address and password. Throws `sign-in-failed`, or `too-many-requests` after too many tries. */
  async withPassword(email: string, password: string, callerAddress: string): Promise<PersonRow> {
    // Counted before the password is looked at: a hundred guesses at once must not all pass the count. The caller first: one who is shut out already must neither shut out
    // the owner of an address nor fill the memory with addresses.
    await this.byCaller.count(callerAddress);
    await this.byAddress.count(email);
    const found = await this.system.findPersonByEmail(email);
    if (!(await passwordMatches(password, found?.passwordHash ?? null)) || !found) {
      await this.bookRefusal(found?.id ?? null, callerAddress);
      throw new BerthError('sign-in-failed', 'Email or password is wrong.');
    }
    await this.byAddress.forget(email);
    return {
      id: found.id,
      name: found.name,
      email: found.email,
      instanceAdministrator: found.instanceAdministrator,
    };
  }

  /** Starts a session; the token goes into the cookie, only its hash is stored. `address` is where the person came from, as the server sees it. */
  async openSession(
    person: Pick<PersonRow, 'id' | 'name'>,
    address: string | null,
  ): Promise<{ token: string; expiresAt: Date }> {
    const now = this.world.clock.now();
    await this.system.deleteExpiredSessions(now);
    const token = this.world.random(SESSION_BYTES).toString('base64url');
    const expiresAt = new Date(now.getTime() + SESSION_DAYS * DAY_MS);
    const id = this.world.ids.next();
    await this.system.createSession(
      { id, userId: person.id, hash: hashToken(token), expiresAt, createdAt: now },
      (db) =>
        this.audit.appendToInstance(db, {
          action: 'session.opened',
          actor: auditedPerson(person),
          subject: { type: 'session', id, name: null },
          details: { address },
        }),
    );
    return { token, expiresAt };
  }

  async withSession(token: string): Promise<Person | null> {
    const session = await this.system.findSession(hashToken(token));
    if (!session || session.expiresAt <= this.world.clock.now()) return null;
    return { ...session.user, via: { type: 'session', id: session.id } };
  }

  async closeSession(person: Person): Promise<void> {
    const { via } = person;
    if (via.type !== 'session') return;
    await this.system.atomic(async (unit) => {
      await this.system.deleteSession(via.id, (db) =>
        this.audit.appendToInstance(db, {
          action: 'session.closed',
          actor: auditedPerson(person),
          subject: { type: 'session', id: via.id, name: null },
        }),
      );
      // It is closed, whether this is told or not: who is not told looks again by themselves.
      unit.afterCommit(() => this.tellReaders(person.id, via.id).catch(() => undefined));
    });
  }

  /** Of these, who came by a session that is closed or has expired since. Takes a connection of its own: not to be called inside of a transaction. */
  async signedOut(actors: Actor[]): Promise<Map<Actor, BerthError>> {
    const sessionOf = ({ via }: Actor): string | null => (via.type === 'session' ? via.id : null);
    const ids = [...new Set(actors.flatMap((actor) => sessionOf(actor) ?? []))];
    if (ids.length === 0) return new Map();
    const valid = await this.system.validSessions(ids, this.world.clock.now());
    const isOut = (id: string | null): boolean => id !== null && !valid.has(id);
    const error = new BerthError('unauthenticated', 'This session is over. Sign in again.');
    return new Map(actors.filter((actor) => isOut(sessionOf(actor))).map((actor) => [actor, error]));
  }

  /** Streams that were opened with the session end. Said in any organization of the person: they read in no other, and what is told is no organization's. */
  private async tellReaders(userId: string, sessionId: string): Promise<void> {
    const [membership] = await this.system.membershipsOf(userId);
    if (!membership) return;
    await this.database.tenant(membership.organizationId, (tenant) => eventsStore.notify(tenant, sessionId));
  }

  async withApiKey(text: string): Promise<Person | null> {
    const prefix = prefixOf(text);
    const key = prefix ? await this.system.findApiKey(prefix) : null;
    if (!key || !hashMatches(text, key.hash)) return null;
    const now = this.world.clock.now();
    if (key.expiresAt && key.expiresAt <= now) return null;
    if (!key.lastUsedAt || now.getTime() - key.lastUsedAt.getTime() > TOUCH_EVERY_MS)
      await this.system.touchApiKey(key.id, now);
    return { ...key.member.user, via: { type: 'api-key', id: key.id, organizationId: key.organizationId } };
  }

  async withMachineToken(text: string): Promise<Machine | null> {
    const row = await this.#machines.take('', hashToken(text), (all) => this.system.findMachineTokens(all));
    if (row?.identity !== 'runner' && row?.identity !== 'proxy') return null;
    return { identity: row.identity, organizationId: row.organizationId, workspaceId: row.workspaceId };
  }

  /** Where it came from, and whose sign-in it was if there is such a person; not what was typed, which may be a password in the wrong field. */
  private async bookRefusal(userId: string | null, address: string): Promise<void> {
    await this.audit.appendAlone(null, {
      action: 'session.refused',
      actor: ANONYMOUS,
      subject: userId === null ? null : { type: 'person', id: userId, name: null },
      details: { address },
    });
  }
}
