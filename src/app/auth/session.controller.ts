import { Controller, Res, UseGuards, Req } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { Request, Response } from 'express';
import { signInRoute, signOutRoute, type Answer } from '../../contracts/index.js';
import type { PersonRow } from '../../database/index.js';
import { BindRoute, PublicUrl, validateInput } from '../../http/index.js';
import { CurrentPerson, SignInService, type Person } from '../../identity/index.js';
import { SESSION_COOKIE } from './strategies.js';

/** Checks the body's form before Passport sees it, so that a missing field is a 422 and not a wrong password. */
class PasswordGuard extends AuthGuard('password') {
  override canActivate(context: Parameters<InstanceType<ReturnType<typeof AuthGuard>>['canActivate']>[0]) {
    validateInput(signInRoute, context.switchToHttp().getRequest<Request>());
    return super.canActivate(context);
  }

  override handleRequest<T>(error: Error | null, found: T): T {
    if (error) throw error;
    return found;
  }
}

@Controller()
export class SessionController {
  constructor(
    private readonly signInService: SignInService,
    private readonly publicUrl: PublicUrl,
  ) {}

  @UseGuards(PasswordGuard)
  @BindRoute(signInRoute)
  async signIn(
    @Req() request: Request & { user: PersonRow },
    @Res({ passthrough: true }) response: Response,
  ): Promise<Answer<typeof signInRoute>> {
    const { id, name, email, instanceAdministrator } = request.user;
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
