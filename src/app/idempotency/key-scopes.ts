import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { acceptInvitationRoute, type RouteContract } from '../../contracts/index.js';
import { callerOf, InvitationsService } from '../../identity/index.js';
import { ANYONE, type KeyScope } from './key.js';

/** Finds out whose key it is, and in whose transaction the request writes. */
@Injectable()
export class KeyScopes {
  constructor(private readonly invitations: InvitationsService) {}

  async of(contract: RouteContract, request: Request): Promise<KeyScope> {
    const { person, actor } = callerOf(request);
    // Who signs in is found by their password, before there is a caller.
    const signingIn = (request as { user?: { id?: string } }).user?.id;
    return {
      organizationId: actor?.organizationId ?? (await this.invited(contract, request)),
      personId: person?.id ?? signingIn ?? ANYONE,
    };
  }

  /** Who accepts an invitation names its organization by the token alone. */
  private async invited({ path }: RouteContract, { body }: Request): Promise<string | null> {
    if (path !== acceptInvitationRoute.path) return null;
    const { token } = (body ?? {}) as { token?: unknown };
    return typeof token === 'string' ? this.invitations.organizationOf(token) : null;
  }
}
