import { Controller, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { signInRoute, signOutRoute, type Answer } from '../../contracts/index.js';
import { BindRoute, PublicUrl, validateInput } from '../../http/index.js';
import { CurrentPerson, SignInService, type Person } from '../../identity/index.js';
import { Authenticator } from './authenticator.js';
import { SESSION_COOKIE } from './strategies.js';

@Controller()
export class SessionController {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly signInService: SignInService,
    private readonly publicUrl: PublicUrl,
  ) {}

  @BindRoute(signInRoute)
  async signIn(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Answer<typeof signInRoute>> {
    // Before Passport sees the body, so that a missing field is a 422 and not a wrong password.
    validateInput(signInRoute, request);
    const { id, name, email, instanceAdministrator } = await this.authenticator.withPassword(
      request,
      response,
    );
    const { token, expiresAt } = await this.signInService.openSession({ id, name }, request.ip ?? null);
    response.cookie(SESSION_COOKIE, token, { ...this.cookieOptions(), expires: expiresAt });
    return { user: { id, name, email, instanceAdministrator }, expiresAt: expiresAt.toISOString() };
  }

  @BindRoute(signOutRoute)
  async signOut(
    @CurrentPerson() person: Person,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    await this.signInService.closeSession(person);
    response.clearCookie(SESSION_COOKIE, this.cookieOptions());
  }

  private cookieOptions() {
    return {
      httpOnly: true,
      sameSite: 'lax',
      secure: this.publicUrl.origin.startsWith('https:'),
      path: '/',
    } as const;
  }
}
