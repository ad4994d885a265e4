import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { parse } from 'cookie';
import type { Request, Response } from 'express';
import type { RouteContract } from '../../contracts/index.js';
import { PublicUrl, ROUTE } from '../../http/index.js';
import {
  administers,
  IdentityService,
  setCaller,
  type Machine,
  type Actor,
  type Person,
} from '../../identity/index.js';
import { BerthError } from '../../kernel/index.js';
import { RequestLimits, type Counted } from '../limits/request-limits.js';
import { Authenticator } from './authenticator.js';
import { SESSION_COOKIE } from './strategies.js';

/**
 * The one guard of all routes. It asks the route's contract who may call and lets nobody through to a handler without one: a forgotten guard is a
 * refused call, not an open door.
 */
@Injectable()
export class RouteGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: Authenticator,
    private readonly identity: IdentityService,
    private readonly publicUrl: PublicUrl,
    private readonly limits: RequestLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const contract = this.reflector.get<RouteContract | undefined>(ROUTE, context.getHandler());
    if (!contract)
      throw new BerthError('forbidden', 'This route does not say who may call it, so nobody may.');
    const request = context.switchToHttp().getRequest<Request>();
    switch (contract.access) {
      case 'public':
        // Who brings a credential means it: one that is not valid is told so, as anywhere.
        if (contract.mayBeSignedIn && isSignedIn(request))
          setCaller(request, { person: await this.person(context) });
        return true;
      case 'runner':
      case 'proxy':
        setCaller(request, { machine: await this.machine(context, contract.access) });
        return true;
      case 'person':
        setCaller(request, { person: await this.counted(context) });
        return true;
      case 'instance-administrator':
        setCaller(request, { person: await this.administrator(context, contract) });
        return true;
      case 'member':
      case 'admin':
        setCaller(request, await this.member(context, contract.access));
        return true;
    }
  }

  private async person(context: ExecutionContext): Promise<Person> {
    const http = context.switchToHttp();
    const request = http.getRequest<Request>();
    const person = await this.authenticator.person(request, http.getResponse<Response>());
    if (!person) throw unauthenticated();
    if (person.via.type === 'session') this.refuseForeignSites(request);
    return person;
  }

  /** A person whose request is of no organization, or of one they need not be in. */
  private async counted(context: ExecutionContext): Promise<Person> {
    const person = await this.person(context);
    // Known before it is refused, so that the refusal can be booked with a name.
    setCaller(context.switchToHttp().getRequest<Request>(), { person });
    await this.count(context, { person });
    return person;
  }

  private async administrator(context: ExecutionContext, contract: RouteContract): Promise<Person> {
    const person = await this.counted(context);
    if (person.instanceAdministrator) return person;
    // To everybody else an organization that is not theirs does not exist, here as anywhere.
    const { org } = context.switchToHttp().getRequest<Request<{ org?: string }>>().params;
    if (contract.path.includes('{org}') && !(await this.identity.actorIn(person, org ?? '')))
      throw noOrganization();
    throw new BerthError('forbidden', 'Only an administrator of this Berth may do that.');
  }

  private async member(
    context: ExecutionContext,
    access: 'member' | 'admin',
  ): Promise<{ person: Person; actor: Actor }> {
    const person = await this.person(context);
    const request = context.switchToHttp().getRequest<Request<{ org?: string }>>();
    // Known before it is refused, so that the refusal can be booked with a name.
    setCaller(request, { person });
    const found = await this.identity.actorIn(person, request.params.org ?? '');
    await this.count(
      context,
      found ? { person, actor: found.actor, limit: found.maxRequestsPerSecond } : { person },
    );
    if (!found) throw noOrganization();
    const { actor } = found;
    setCaller(request, { person, actor });
    if (access === 'admin' && !administers(actor))
      throw new BerthError('forbidden', 'Only an admin of the organization may do that.');
    return { person, actor };
  }

  private count(context: ExecutionContext, caller: Counted): Promise<void> {
    const http = context.switchToHttp();
    return this.limits.count(http.getRequest<Request>(), http.getResponse<Response>(), caller);
  }

  private async machine(context: ExecutionContext, identity: Machine['identity']): Promise<Machine> {
    const http = context.switchToHttp();
    const machine = await this.authenticator.machine(
      http.getRequest<Request>(),
      http.getResponse<Response>(),
    );
    if (!machine) throw new BerthError('unauthenticated', 'This machine token is not, or no longer, valid.');
    // Each identity has its own routes and never the other's (rule 9).
    if (machine.identity !== identity)
      throw new BerthError('unauthenticated', `This is no ${identity}'s token.`);
    return machine;
  }

  /** Cross-site request forgery: a browser sends the cookie along from any page, and says truly in Origin which page that was. */
  private refuseForeignSites(request: Request): void {
    if (request.method === 'GET' || request.method === 'HEAD') return;
    const sameSite =
      request.get('sec-fetch-site') === 'same-origin' || request.get('origin') === this.publicUrl.origin;
    if (!sameSite)
      throw new BerthError(
        'csrf',
        `Requests with the session cookie must come from ${this.publicUrl.origin}. Use an API key elsewhere.`,
      );
  }
}

function isSignedIn(request: Request): boolean {
  return (
    request.headers.authorization !== undefined ||
    parse(request.headers.cookie ?? '')[SESSION_COOKIE] !== undefined
  );
}

function noOrganization(): BerthError {
  return new BerthError('not-found', 'There is no such organization here.');
}

function unauthenticated(): BerthError {
  return new BerthError('unauthenticated', 'Sign in, or send an API key: Authorization: Bearer berth_…');
}
