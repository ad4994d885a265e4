import { parse } from 'cookie';
import type { Request } from 'express';
import { Strategy } from 'passport';
import { Strategy as BearerStrategy } from 'passport-http-bearer';
import { Strategy as LocalStrategy } from 'passport-local';
import { emailSchema } from '../../contracts/index.js';
import type { PersonRow } from '../../database/index.js';
import type { Machine, Person, SignInService } from '../../identity/index.js';
import { BerthError } from '../../kernel/index.js';

export const SESSION_COOKIE = 'berth_session';

/*
 * Ways to sign in, as Passport strategies. Another one (GitHub, OIDC) is another function here that ends in a call of SignInService, and a name in
 * Authenticator.
 */

type Done<T> = (error: unknown, found?: T | false) => void;

/** Email and password, once, for a session. */
export function passwordStrategy(signIn: SignInService): Strategy {
  const verify = async (request: Request, email: string, password: string): Promise<PersonRow> => {
    const address = emailSchema.safeParse(email);
    if (!address.success) throw new BerthError('sign-in-failed', 'Email or password is wrong.');
    return signIn.withPassword(address.data, password, request.ip ?? 'unknown');
  };
  return new LocalStrategy(
    { usernameField: 'email', passReqToCallback: true },
    (request: Request, email: string, password: string, done: Done<PersonRow>) =>
      conclude(verify(request, email, password), done),
  );
}

/** `Authorization: Bearer berth_…`. */
export function apiKeyStrategy(signIn: SignInService): Strategy {
  return new BearerHeaderStrategy((token: string, done: Done<Person>) =>
    conclude(signIn.withApiKey(token), done),
  );
}

/** `Authorization: Bearer` with the token of a runner or proxy. */
export function machineStrategy(signIn: SignInService): Strategy {
  return new BearerHeaderStrategy((token: string, done: Done<Machine>) =>
    conclude(signIn.withMachineToken(token), done),
  );
}

/** The session cookie of the web page. */
export function sessionStrategy(signIn: SignInService): Strategy {
  return new CookieStrategy((token, done) => conclude(signIn.withSession(token), done));
}

/** Tells Passport what was found, or why the look failed. */
function conclude<T>(search: Promise<T | null>, done: Done<T>): void {
  search.then(
    (found) => done(null, found ?? false),
    (error: unknown) => done(error),
  );
}

/**
 * Passport's bearer strategy, of which only the header is left: it would also take the token from the query, which ends up in logs and histories
 * (RFC 6750, 5.3), and from the body, where it need not even be text.
 */
class BearerHeaderStrategy<T> extends BearerStrategy<(token: string, done: Done<T>) => void> {
  override authenticate({ headers }: Request): void {
    super.authenticate({ headers } as Request);
  }
}

class CookieStrategy extends Strategy {
  constructor(private readonly verify: (token: string, done: Done<Person>) => void) {
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
