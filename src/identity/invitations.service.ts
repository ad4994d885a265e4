import { Injectable } from '@nestjs/common';
import type {
  Answer,
  Body,
  InvitationView,
  PageQuery,
  Role,
  UserView,
  acceptInvitationRoute,
  createInvitationRoute,
} from '../contracts/index.js';
import { Audit } from '../audit/index.js';
import {
  Database,
  isUniqueViolation,
  SystemStore,
  type InvitationRow,
  type Tenant,
} from '../database/index.js';
import { invalid, pageOf, PublicUrl, sliceOf, type Page } from '../http/index.js';
import { BerthError, World } from '../kernel/index.js';
import { auditedMember, type Actor, type Person } from './actor.js';
import { hashToken, newApiKey } from './api-key.js';
import { Attempts } from './attempts.js';
import { identityStore } from './identity.store.js';
import { endOf, expiryOf, newInvitationToken, unknownInvitation } from './invitation.js';
import { invitationsStore } from './invitations.store.js';
import { objectionToInvite } from './membership.js';
import { hashPassword } from './password.js';
import { SignInService } from './sign-in.service.js';

/** Wrong tokens per caller. None of 256 bits is ever guessed; this keeps the tries from costing anything. */
const WRONG_TOKENS = 50;

/** Who accepts: a person with an account, or one whose account is made with the membership. */
interface Joining {
  user: UserView;
  /** Of a new account. */
  passwordHash: string | null;
}

/** Invitations by link, from both ends. */
@Injectable()
export class InvitationsService {
  private readonly wrongTokens = new Attempts(WRONG_TOKENS, 'invitation', 'accept an invitation');

  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly signIn: SignInService,
    private readonly publicUrl: PublicUrl,
    private readonly world: World,
    private readonly audit: Audit,
  ) {}

  /** Throws `forbidden`, `already-member`. */
  async create(
    actor: Actor,
    input: Body<typeof createInvitationRoute>,
  ): Promise<Answer<typeof createInvitationRoute>> {
    const createdAt = this.world.clock.now();
    const expiresAt = expiryOf(createdAt);
    const { text, hash } = newInvitationToken(this.world.random);
    const id = this.world.ids.next();
    await this.database.tenant(actor.organizationId, async (tenant) => {
      await this.mayInvite(tenant, actor, input);
      await invitationsStore.revokeOf(tenant, input.email, createdAt);
      const made = { id, ...input, hash, invitedBy: actor.userId, createdAt, expiresAt };
      await invitationsStore.create(tenant, made);
      this.audit.record(tenant, {
        action: 'invitation.created',
        actor: auditedMember(actor),
        subject: { type: 'invitation', id, name: input.email },
        details: { role: input.role },
      });
    });
    const url = `${this.publicUrl.url}/invitations/accept?token=${text}`;
    return { id, url, expiresAt: expiresAt.toISOString() };
  }

  async list(actor: Actor, query: PageQuery): Promise<Page<InvitationView>> {
    const slice = sliceOf(query);
    const rows = await this.database.tenant(actor.organizationId, (tenant) =>
      invitationsStore.open(tenant, slice),
    );
    return pageOf(rows, slice, (row) => ({
      ...row,
      role: row.role as Role,
      createdAt: row.createdAt.toISOString(),
      expiresAt: row.expiresAt.toISOString(),
    }));
  }

  /** Throws `not-found`. */
  async revoke(actor: Actor, id: string): Promise<void> {
    await this.database.tenant(actor.organizationId, async (tenant) => {
      const revoked = await invitationsStore.revoke(tenant, id, this.world.clock.now());
      if (!revoked) throw new BerthError('not-found', 'There is no such open invitation here.');
      this.audit.record(tenant, {
        action: 'invitation.revoked',
        actor: auditedMember(actor),
        subject: { type: 'invitation', id, name: null },
      });
    });
  }

  /** Throws `invitation-invalid`, `invitation-over`, `already-member`, `validation-failed`, `sign-in-failed`, `forbidden`, `too-many-requests`. */
  async accept(
    input: Body<typeof acceptInvitationRoute>,
    person: Person | null,
    callerAddress: string,
  ): Promise<Answer<typeof acceptInvitationRoute>> {
    await this.wrongTokens.count(callerAddress);
    const invitation = await this.system.findInvitation(hashToken(input.token));
    if (!invitation) throw unknownInvitation();
    await this.wrongTokens.takeBack(callerAddress);
    const end = endOf(invitation, this.world.clock.now());
    if (end) throw end;
    const join = async (): Promise<Answer<typeof acceptInvitationRoute>> =>
      this.join(invitation, await this.whoJoins(invitation.email, input, person, callerAddress));
    return join().catch((error: unknown) => {
      // The address got its account a moment ago, by another organization's invitation: it is asked for its password now.
      if (!isUniqueViolation(error)) throw error;
      return join();
    });
  }

  /** Into which organization this token leads, also after it was used; null for none. */
  async organizationOf(token: string): Promise<string | null> {
    const invitation = await this.system.findInvitation(hashToken(token));
    return invitation?.organizationId ?? null;
  }

  private async mayInvite(tenant: Tenant, actor: Actor, { email, role }: { email: string; role: Role }) {
    // Asked of the row and not of the request: the role may have been taken away since.
    const now = await identityStore.holdMember(tenant, actor.userId);
    if (!now) throw new BerthError('not-found', 'There is no such organization here.');
    const objection = objectionToInvite(now as Role, role);
    if (objection) throw new BerthError(objection.code, objection.message);
    // Admins see the list of members, so this tells them nothing new.
    if (await identityStore.memberWithEmail(tenant, email))
      throw new BerthError('already-member', `${email} is a member of this organization already.`);
  }

  private async whoJoins(
    email: string,
    { name, password }: Body<typeof acceptInvitationRoute>,
    person: Person | null,
    callerAddress: string,
  ): Promise<Joining> {
    if (person) {
      const { id, name, instanceAdministrator } = person;
      if (person.email !== email)
        throw new BerthError(
          'forbidden',
          'This invitation is for another address than the one you are signed in with. Sign out and accept it then, or ask for an invitation of your own address.',
        );
      return { user: { id, name, email, instanceAdministrator }, passwordHash: null };
    }
    // Asked of everybody, so that what is missing does not tell who has an account.
    const missing = Object.entries({ name, password }).filter(([, value]) => value === undefined);
    if (missing.length > 0 || name === undefined || password === undefined)
      throw invalid(missing.map(([field]) => ({ path: `body.${field}`, message: 'is required' })));
    if (await this.system.findPersonByEmail(email))
      return { user: await this.byPassword(email, password, callerAddress), passwordHash: null };
    const user = { id: this.world.ids.next(), name, email, instanceAdministrator: false };
    return { user, passwordHash: await hashPassword(password) };
  }

  private async byPassword(email: string, password: string, callerAddress: string): Promise<UserView> {
    try {
      return await this.signIn.withPassword(email, password, callerAddress);
    } catch (error) {
      if (!(error instanceof BerthError) || error.code !== 'sign-in-failed') throw error;
      throw new BerthError(
        'sign-in-failed',
        'The invited address has another password here. Use the one you sign in with, or sign in first and accept the invitation then.',
      );
    }
  }

  /** All or nothing: the invitation used up, the account, the membership, the key. */
  private async join(
    invitation: InvitationRow,
    { user, passwordHash }: Joining,
  ): Promise<Answer<typeof acceptInvitationRoute>> {
    const now = this.world.clock.now();
    const { text, prefix, hash } = newApiKey(this.world.random);
    const organization = await this.database.tenant(invitation.organizationId, async (tenant) => {
      if (!(await invitationsStore.accept(tenant, invitation.id, user.id, now)))
        throw await lost(tenant, invitation, now);
      if (await identityStore.holdMember(tenant, user.id))
        throw new BerthError('already-member', 'You are a member of this organization already. Sign in.');
      if (passwordHash !== null)
        await identityStore.addPerson(tenant, { ...user, passwordHash, createdAt: now });
      await identityStore.addMember(tenant, { userId: user.id, role: invitation.role, createdAt: now });
      const key = { id: this.world.ids.next(), userId: user.id, name: 'First key', prefix, hash };
      await identityStore.createApiKey(tenant, { ...key, expiresAt: null, createdAt: now });
      this.audit.record(tenant, {
        action: 'invitation.accepted',
        actor: { type: 'member', id: user.id, name: user.name, apiKeyId: null },
        subject: { type: 'invitation', id: invitation.id, name: user.email },
        details: {
          role: invitation.role,
          newAccount: passwordHash !== null,
          apiKeyPrefix: `berth_${prefix}`,
        },
      });
      return identityStore.organization(tenant);
    });
    if (!organization) throw unknownInvitation();
    const { id, slug, name, createdAt } = organization;
    return {
      user,
      organization: { id, slug, name, createdAt: createdAt.toISOString() },
      apiKey: text,
    };
  }
}

/** Somebody else was first. */
async function lost(tenant: Tenant, { id }: InvitationRow, now: Date): Promise<BerthError> {
  const row = await invitationsStore.find(tenant, id);
  return (row && endOf(row, now)) ?? unknownInvitation();
}
