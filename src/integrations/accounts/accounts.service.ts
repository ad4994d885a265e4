import { Injectable } from '@nestjs/common';
import { externalSystemNames, type ExternalAccountView, type ExternalSystem } from '../../contracts/index.js';
import { Database, SystemStore } from '../../database/index.js';
import { escapeHtml, htmlPage, invalid } from '../../http/index.js';
import {
  auditedMember,
  ExternalAccounts,
  hashToken,
  IdentityService,
  type Actor,
  type ExternalPerson,
  type Person,
} from '../../identity/index.js';
import { BerthError, World } from '../../kernel/index.js';
import { AccountSystems } from './account-systems.js';
import { ConnectionAttempts, type Claimed } from './connection-attempts.js';
import { connectPage, linkRefusal, type LinkFacts } from './link-page.js';

/** Members' own accounts at other systems: what they have, and the way there and back. */
@Injectable()
export class Accounts {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly identity: IdentityService,
    private readonly accounts: ExternalAccounts,
    private readonly attempts: ConnectionAttempts,
    private readonly systems: AccountSystems,
    private readonly world: World,
  ) {}

  /** In every organization that the person reaches. */
  async list(person: Person): Promise<ExternalAccountView[]> {
    const items: ExternalAccountView[] = [];
    for (const actor of await this.actorsOf(person, undefined))
      items.push(
        ...(await this.database.tenant(actor.organizationId, (tenant) =>
          this.accounts.listOf(tenant, actor.userId),
        )),
      );
    return items;
  }

  /** Throws `not-found` when there is nothing to disconnect. */
  async disconnect(
    person: Person,
    system: ExternalSystem | undefined,
    organization: string | undefined,
  ): Promise<void> {
    let count = 0;
    for (const actor of await this.actorsOf(person, organization))
      count += await this.database.tenant(actor.organizationId, (tenant) =>
        this.accounts.disconnect(tenant, actor, system),
      );
    if (count === 0) throw new BerthError('not-found', 'You have no such account connected here.');
  }

  /** Throws `not-found`, `validation-failed` for who is in several organizations and names none, `not-connected`. */
  async connect(
    person: Person,
    system: ExternalSystem,
    organization: string | undefined,
  ): Promise<{ url: string; expiresAt: string }> {
    const [actor, ...others] = await this.actorsOf(person, organization);
    if (!actor) throw new BerthError('not-found', 'You are in no organization.');
    if (others.length > 0)
      throw invalid([{ path: 'body.organization', message: 'is missing: you are in several organizations' }]);
    return this.begin(actor, system, {});
  }

  /**
   * The page behind a personal link, for who opened it: for whom it is, and where to go on. Nothing is decided by it: what it begins ends at the other system, as the person it is for. Throws
   * `invitation-invalid` for what is no link, `invitation-over`.
   */
  async page(system: ExternalSystem, token: string, person: Person | null): Promise<string> {
    const link = await this.linkOf(system, token);
    const actor = person && (await this.identity.actorIn(person, link.organizationId))?.actor;
    const { organization } = link;
    if (!actor) return connectPage(link, { signedInAs: person?.name ?? null, organization, url: null });
    const notes = { externalId: link.externalId, handle: link.handle ?? '' };
    const { url } = await this.begin(actor, system, notes);
    return connectPage(link, { signedInAs: actor.name, organization, url });
  }

  /** What the callback of a system does with an attempt of purpose `account`; answers the page that says so. Throws `login-refused`, `account-taken`, `forbidden`. */
  async finish({ actor, system, verifier, notes }: Claimed, code: string): Promise<string> {
    const { organizationId, userId } = actor;
    const person = await this.systems.of(system).identify(organizationId, code, verifier);
    const { externalId } = notes;
    if (externalId !== undefined && externalId !== person.externalId)
      throw another(person, notes.handle ?? '');
    const by = auditedMember(actor);
    await this.database.tenant(organizationId, (tenant) =>
      this.accounts.link(tenant, { userId, person, proof: 'authorization', by }),
    );
    const name = externalSystemNames[system];
    return htmlPage(
      'Your account is connected',
      `<h1>Your account is connected</h1>
<p>What <b>${escapeHtml(nameOf(person))}</b> asks for at ${name} is done as yours, ${escapeHtml(actor.name)}, from now on, with your credentials. What was asked before goes on by itself. You can close this page.</p>`,
    );
  }

  private async begin(
    actor: Actor,
    system: ExternalSystem,
    notes: Record<string, string>,
  ): Promise<{ url: string; expiresAt: string }> {
    const { state, verifier, expiresAt } = await this.attempts.begin(actor, system, 'account', notes);
    const url = await this.systems.of(system).authorizationUrl(state, verifier);
    return { url, expiresAt: expiresAt.toISOString() };
  }

  private async linkOf(
    system: ExternalSystem,
    token: string,
  ): Promise<LinkFacts & { organizationId: string }> {
    const address = await this.system.connections.linkByHash(hashToken(token));
    const link =
      address &&
      (await this.database.tenant(address.organizationId, async (tenant) => {
        const found = await this.accounts.linkInside(tenant, address.id);
        return found && { ...found, organization: await this.identity.nameInside(tenant) };
      }));
    const refusal = linkRefusal(link, system, this.world.clock.now());
    if (refusal) throw refusal;
    if (!address || !link) throw new BerthError('internal', 'A link was taken that is not there.');
    return { ...link, organizationId: address.organizationId };
  }

  /** The person in the organizations they reach; in the one that is named alone. Throws `not-found`. */
  private async actorsOf(person: Person, organization: string | undefined): Promise<Actor[]> {
    const { organizations } = await this.identity.me(person);
    const named = organizations.filter(
      ({ id, slug }) => organization === undefined || [id, slug].includes(organization),
    );
    if (organization !== undefined && named.length === 0)
      throw new BerthError('not-found', 'There is no such organization here.');
    const { id: userId, name, email, via } = person;
    return named.map(({ id, role }) => ({ organizationId: id, userId, name, email, role, via }));
  }
}

const nameOf = ({ handle, name, externalId }: ExternalPerson): string => handle ?? name ?? externalId;

function another(person: ExternalPerson, handle: string): BerthError {
  const system = externalSystemNames[person.system];
  return new BerthError(
    'login-refused',
    `You are signed in at ${system} as ${nameOf(person)}, and this link is for ${handle === '' ? 'somebody else' : handle}. Nothing was connected. Sign in there as who the link is for and open it again; or, if you want work that ${nameOf(person)} asks for to be yours, connect that account yourself: berth accounts connect ${person.system}.`,
  );
}
