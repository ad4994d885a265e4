import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { acceptInvitationRoute, type RouteContract } from '../../contracts/index.js';
import { callerOf, IdentityService, InvitationsService } from '../../identity/index.js';
import { ANYONE, type KeyScope } from './key.js';

/** Finds out whose key it is, and in whose transaction the request writes. */
@Injectable()
export class KeyScopes {
  constructor(
    private readonly identity: IdentityService,
    private readonly invitations: InvitationsService,
  ) {}

  async of(contract: RouteContract, request: Request): Promise<KeyScope> {
    const { person, actor } = callerOf(request);
    // Who signs in is found by their password, before there is a caller.
    const signingIn = (request as { user?: { id?: string } }).user?.id;
    return {
      organizationId: actor?.organizationId ?? (await this.named(contract, request)),
      personId: person?.id ?? signingIn ?? ANYONE,
    };
  }

  /** The organization of who is no member: whoever administers the instance names it in the path, who accepts an invitation by its token. Throws `not-found`. */
  private async named({ path }: RouteContract, request: Request): Promise<string | null> {
    const { params } = request as Request<{ org?: string }>;
    if (path.includes('{org}')) return this.identity.organizationId(params.org ?? '');
    if (path !== acceptInvitationRoute.path) return null;
    const { token } = (request.body ?? {}) as { token?: unknown };
    return typeof token === 'string' ? this.invitations.organizationOf(token) : null;
  }
}
