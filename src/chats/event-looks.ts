import { Injectable } from '@nestjs/common';
import { MAX_EVENTS } from '../contracts/index.js';
import { Database } from '../database/index.js';
import { eventsStore } from '../events/index.js';
import { SignInService, type Actor } from '../identity/index.js';
import { WorkspacesService } from '../workspaces/index.js';
import { shareOut, spanOf, type Found } from './event-look.js';
import { SharedReads, type Outcome } from './shared-reads.js';

interface Look {
  actor: Actor;
  workspaceId: string;
  after: number;
}

/**
 * The looks of all streams of this process. Streams that are woken together ask nearly the same, so they share a read: a thousand of them take a few transactions. The right to it is asked
 * anew at each look and for each reader, since a stream lives longer than a request; and after the events were read, so that none goes out that came when the right was gone.
 */
@Injectable()
export class EventLooks {
  readonly #reads = new SharedReads<Look, Found>((first, close) => this.#read(first, close));

  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesService,
    private readonly signIn: SignInService,
  ) {}

  /** Events after a number, `MAX_EVENTS` at most. Throws `not-found`, `forbidden`, `unauthenticated` when the actor may not read them, or no more. Reading wakes nothing. */
  after(actor: Actor, workspaceId: string, after: number): Promise<Found> {
    const key = `${actor.organizationId}/${workspaceId}/${spanOf(after)}`;
    return this.#reads.ask(key, { actor, workspaceId, after });
  }

  async #read({ actor, workspaceId }: Look, close: () => Look[]): Promise<Outcome<Found>[]> {
    // Apart: what one reader's transaction sees of its own is not for the others.
    const { looks, events, refused } = await this.database.apart(actor.organizationId, async (tenant) => {
      const looks = close();
      const from = Math.min(...looks.map(({ after }) => after));
      const events = await eventsStore.list(tenant, workspaceId, from, MAX_EVENTS);
      const actors = looks.map((look) => look.actor);
      const refused = await this.workspaces.refused(tenant, actors, workspaceId, 'converse');
      return { looks, events, refused };
    });
    const signedOut = await this.signIn.signedOut(looks.map((look) => look.actor));
    const shares = shareOut(
      looks.map(({ after }) => after),
      events,
    );
    return looks.map((look, at) => {
      const error = refused.get(look.actor) ?? signedOut.get(look.actor);
      return error ? { error } : { answer: shares[at] ?? { events: [], more: true } };
    });
  }
}
