import { Injectable } from '@nestjs/common';
import type {
  Answer,
  Body,
  CredentialPolicyView,
  setCredentialPolicyRoute,
  CredentialView,
  Kind,
  PageQuery,
  RotationView,
  Scope,
  showCredentialRoute,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import { Database, type Tenant } from '../database/index.js';
import { pageOf, sliceOf, type Page } from '../http/index.js';
import { auditedMember, IdentityService, type Actor } from '../identity/index.js';
import { BerthError, World } from '../kernel/index.js';
import { CredentialPlaces, noSuchCredential } from './credential-places.js';
import { credentialsStore, type CredentialPlace, type CredentialRow } from './credentials.store.js';
import { kinds } from './kinds.js';
import { leasesStore } from './leases.store.js';
import { Renewals } from './renewal/renewals.service.js';
import { rotationsStore } from './renewal/rotations.store.js';
import { CredentialSubjects } from './renewal/subjects.js';
import { tokensStore, type Token } from './renewal/tokens.store.js';
import { credentialView, rotationView } from './view.js';

/** A workspace that used it within so long is named. */
const LATELY_MS = 24 * 3600 * 1000;
/** How long a person waits for the provider; then the rotations say what came of it. */
const FORCED_WAIT_MS = 10_000;

/** Looks after credentials that are there: what each does, its renewals, a renewal by hand, and when the organization's serve. */
@Injectable()
export class CredentialCare {
  constructor(
    private readonly database: Database,
    private readonly identity: IdentityService,
    private readonly places: CredentialPlaces,
    private readonly renewals: Renewals,
    private readonly subjects: CredentialSubjects,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** Throws `not-found`. */
  show(actor: Actor, scope: Scope, kind: Kind): Promise<Answer<typeof showCredentialRoute>> {
    const since = new Date(this.world.clock.now().getTime() - LATELY_MS);
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const row = await find(tenant, this.places.toSee(actor, scope, kind));
      const uses = await leasesStore.usesSince(tenant, [row.id], since);
      const ids = uses.map(({ workspaceId }) => workspaceId);
      return { ...credentialView(row), usedBy: await this.subjects.all.visibleTo(tenant, actor, ids) };
    });
  }

  /** Throws `not-found`. */
  async rotations(actor: Actor, scope: Scope, kind: Kind, query: PageQuery): Promise<Page<RotationView>> {
    const slice = sliceOf(query);
    const rows = await this.database.tenant(actor.organizationId, async (tenant) => {
      const { id } = await find(tenant, this.places.toSee(actor, scope, kind));
      return rotationsStore.list(tenant, id, slice);
    });
    return pageOf(rows, slice, rotationView);
  }

  /** Has a worker renew it now, and waits for the new generation. Throws `not-found`, `forbidden`, `not-rotatable`, and `not-ready` when the provider takes its time. */
  async rotate(actor: Actor, scope: Scope, kind: Kind): Promise<CredentialView> {
    const place = this.places.toChange(actor, scope, kind);
    // Committed before anybody waits: it is a worker that renews. The route is one without a transaction of its own.
    const token = await this.database.tenant(actor.organizationId, (tenant) =>
      this.force(tenant, actor, place),
    );
    if (kinds[kind].renewal === 'login')
      await this.renewals.answered(actor.organizationId, token, true, FORCED_WAIT_MS);
    const row = await this.database.tenant(actor.organizationId, (tenant) => find(tenant, place));
    if (row.status === 'rejected') throw ended(row);
    if (kinds[kind].renewal === 'login' && row.generation === token.generation) throw underWay(row);
    return credentialView(row);
  }

  private async force(tenant: Tenant, actor: Actor, place: CredentialPlace): Promise<Token> {
    const row = await find(tenant, place);
    const { renewal, title } = kinds[place.kind];
    if (renewal === null)
      throw new BerthError(
        'not-rotatable',
        `Berth cannot renew this ${title}: it is as it was set. Make a new one at the provider and set it here (berth credentials set ${place.kind}; or PUT).`,
      );
    const ref = { credentialId: row.id, workspaceId: null };
    const token = await tokensStore.find(tenant, ref);
    if (!token) throw noSuchCredential(place.kind);
    if (renewal === 'login' && row.status === 'rejected') throw ended(row);
    const at = this.world.clock.now();
    if (renewal === 'login') await tokensStore.force(tenant, token, at);
    else await tokensStore.mintAnew(tenant, token, at);
    this.audit.record(tenant, {
      action: 'credential.rotation-forced',
      actor: auditedMember(actor),
      subject: { type: 'credential', id: row.id, name: place.kind },
      details: { scope: place.scope, generation: row.generation },
    });
    await this.renewals.tellChanged(tenant, row.id);
    return token;
  }

  showPolicy(actor: Actor): Promise<CredentialPolicyView> {
    return this.database.tenant(actor.organizationId, async (tenant) => ({
      organizationFallback: await this.identity.organizationFallback(tenant),
      automation: await this.identity.automation(tenant),
    }));
  }

  setPolicy(
    actor: Actor,
    { organizationFallback, ...rest }: Body<typeof setCredentialPolicyRoute>,
  ): Promise<CredentialPolicyView> {
    return this.database.tenant(actor.organizationId, async (tenant) => {
      const automation = rest.automation ?? (await this.identity.automation(tenant));
      const policy = { organizationFallback, automation };
      await this.identity.setOrganizationFallback(tenant, organizationFallback);
      await this.identity.setAutomation(tenant, automation);
      this.audit.record(tenant, {
        action: 'credential-policy.changed',
        actor: auditedMember(actor),
        subject: { type: 'organization', id: actor.organizationId, name: null },
        details: { ...policy },
      });
      // Whoever works with one of the organization's is asked for anew, and calls under way with it.
      for (const { id, scope } of await credentialsStore.visibleTo(tenant, actor.userId))
        if (scope === 'organization') await this.renewals.tellChanged(tenant, id);
      return policy;
    });
  }
}

async function find(tenant: Tenant, place: CredentialPlace): Promise<CredentialRow> {
  const row = await credentialsStore.find(tenant, place);
  if (!row) throw noSuchCredential(place.kind);
  return row;
}

function ended({ lastError }: CredentialRow): BerthError {
  return new BerthError(
    'not-rotatable',
    `The provider ended this login${lastError ? ` (${lastError})` : ''}. Connect it again.`,
  );
}

function underWay({ lastError, retryAt }: CredentialRow): BerthError {
  const why = retryAt
    ? `It could not be renewed yet (${lastError ?? 'no reason is known'}), and is tried again.`
    : 'The provider has not answered yet.';
  return new BerthError('not-ready', `${why} Its rotations say what comes of it.`, { retryAfterSeconds: 5 });
}
