import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import passport from 'passport';
import type { PersonRow } from '../../database/index.js';
import { SignInService, type Machine, type Person } from '../../identity/index.js';
import { BerthError } from '../../kernel/index.js';
import { apiKeyStrategy, machineStrategy, passwordStrategy, sessionStrategy } from './strategies.js';

/**
 * Finds out who calls, with Passport. An instance of Passport of its own: the one that the package exports is of the whole process, so that of two
 * Berths in it the one that started last would say who calls the other.
 */
@Injectable()
export class Authenticator {
  private readonly passport = new passport.Passport();

  constructor(signIn: SignInService) {
    this.passport
      .use('password', passwordStrategy(signIn))
      .use('api-key', apiKeyStrategy(signIn))
      .use('machine', machineStrategy(signIn))
      .use('session', sessionStrategy(signIn));
  }

  /** The person of an API key or a session cookie; null when there is none that is valid. */
  person(request: Request, response: Response): Promise<Person | null> {
    return this.find(['api-key', 'session'], request, response);
  }

  /** The runner or proxy of a machine token; null when it is none, or not valid. */
  machine(request: Request, response: Response): Promise<Machine | null> {
    return this.find('machine', request, response);
  }

  /**
   * The person of the email and password in a body.
   * @throws BerthError `sign-in-failed`; `too-many-requests` after too many tries.
   */
  async withPassword(request: Request, response: Response): Promise<PersonRow> {
    const person = await this.find<PersonRow>('password', request, response);
    if (!person) throw new BerthError('sign-in-failed', 'Email or password is missing.');
    return person;
  }

  private find<T>(ways: string | string[], request: Request, response: Response): Promise<T | null> {
    return new Promise((resolve, reject) => {
      const decide = (error: Error | null, found?: unknown): void => {
        if (error) reject(error);
        else resolve(found === false || found === undefined ? null : (found as T));
      };
      const handle = this.passport.authenticate(ways, { session: false }, decide) as (
        request: Request,
        response: Response,
        next: (error: unknown) => void,
      ) => void;
      handle(request, response, reject);
    });
  }
}
