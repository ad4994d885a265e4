import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { parse } from 'cookie';
import type { Request } from 'express';
import { Strategy as BearerStrategy, type VerifyFunction } from 'passport-http-bearer';
import { Strategy as LocalStrategy } from 'passport-local';
import { Strategy as PassportBase } from 'passport';
import { emailSchema } from '../../contracts/index.js';
import type { PersonRow } from '../../database/index.js';
import { SignInService, type Machine, type Person } from '../../identity/index.js';
import { BerthError } from '../../kernel/index.js';

export const SESSION_COOKIE = 'berth_session';

/*
 * Ways to sign in, as Passport strategies. Another one (GitHub, OIDC) is another class here that ends in a call of SignInService.
 */

/** Email and password, once, for a session. */
@Injectable()
export class PasswordStrategy extends PassportStrategy(LocalStrategy, 'password') {
  constructor(private readonly signIn: SignInService) {
    super({ usernameField: 'email', passReqToCallback: true });
  }

  validate(request: Request, email: string, password: string): Promise<PersonRow> {
    const address = emailSchema.safeParse(email);
    if (!address.success) throw new BerthError('sign-in-failed', 'Email or password is wrong.');
    return this.signIn.withPassword(address.data, password, request.ip ?? 'unknown');
  }
}

/**
 * Passport's bearer strategy, of which only the header is left: it would also take the token from the query, which ends up in logs and histories
 * (RFC 6750, 5.3), and from the body, where it need not even be text.
 */
class BearerHeaderStrategy extends BearerStrategy<VerifyFunction> {
  override authenticate({ headers }: Request): void {
    super.authenticate({ headers } as Request);
  }
}

/** `Authorization: Bearer berth_…`. */
@Injectable()
export class ApiKeyStrategy extends PassportStrategy(BearerHeaderStrategy, 'api-key') {
  constructor(private readonly signIn: SignInService) {
    super();
  }

  async validate(token: string): Promise<Person | false> {
    return (await this.signIn.withApiKey(token)) ?? false;
  }
}

/** `Authorization: Bearer` with the token of a runner or proxy. */
@Injectable()
export class MachineStrategy extends PassportStrategy(BearerHeaderStrategy, 'machine') {
  constructor(private readonly signIn: SignInService) {
    super();
  }

  async validate(token: string): Promise<Machine | false> {
    return (await this.signIn.withMachineToken(token)) ?? false;
  }
}

/** Passport's base with what `PassportStrategy` needs to know: how a verdict is reached. */
class CookieStrategy extends PassportBase {
  override name = 'session';

  constructor(
    _options: object,
    private readonly verify: (token: string, done: (error: unknown, person?: Person | false) => void) => void,
  ) {
    super();
  }

  override authenticate(request: Request): void {
    const token = parse(request.headers.cookie ?? '')[SESSION_COOKIE];
    if (!token) {
      this.fail('no session', 401);
      return;
    }
    this.verify(token, (error, person) => {
      if (error) this.error(error);
      else if (person) this.success(person);
      else this.fail('no such session', 401);
    });
  }
}

/** The session cookie of the web page. */
@Injectable()
export class SessionStrategy extends PassportStrategy(CookieStrategy, 'session') {
  constructor(private readonly signIn: SignInService) {
    super({});
  }

  async validate(token: string): Promise<Person | false> {
    return (await this.signIn.withSession(token)) ?? false;
  }
}
