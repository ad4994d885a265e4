import { Controller, Header, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  connectGithubRoute,
  disconnectGithubRoute,
  githubAppPageRoute,
  githubCallbackRoute,
  listGithubRepositoriesRoute,
  showGithubRoute,
  type Answer,
} from '../../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../../http/index.js';
import {
  CurrentActor,
  CurrentPerson,
  CurrentPersonIfAny,
  type Actor,
  type Person,
} from '../../../identity/index.js';
import { BerthError } from '../../../kernel/index.js';
import { Accounts } from '../../accounts/accounts.service.js';
import { ConnectionAttempts } from '../../accounts/connection-attempts.js';
import { GithubConnections } from './connections.service.js';
import { manifestPage, pageOf, policyFor } from './pages.js';

/** How an organization is connected to GitHub. */
@Controller()
export class GithubController {
  constructor(
    private readonly connections: GithubConnections,
    private readonly attempts: ConnectionAttempts,
    private readonly accounts: Accounts,
  ) {}

  @BindRoute(showGithubRoute)
  show(@CurrentActor() actor: Actor): Promise<Answer<typeof showGithubRoute>> {
    return this.connections.show(actor);
  }

  @BindRoute(connectGithubRoute)
  connect(
    @CurrentActor() actor: Actor,
    @CurrentPerson() person: Person,
    @Input() { query }: InputOf<typeof connectGithubRoute>,
  ): Promise<Answer<typeof connectGithubRoute>> {
    return this.connections.begin(actor, person, query.account ?? null);
  }

  @BindRoute(listGithubRepositoriesRoute)
  repositories(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof listGithubRepositoriesRoute>,
  ): Promise<Answer<typeof listGithubRepositoriesRoute>> {
    return this.connections.repositories(actor, query);
  }

  @BindRoute(disconnectGithubRoute)
  disconnect(
    @CurrentActor() actor: Actor,
    @Input() { query }: InputOf<typeof disconnectGithubRoute>,
  ): Promise<void> {
    return this.connections.disconnect(actor, query.installation ?? null);
  }

  @Header('content-type', 'text/html; charset=utf-8')
  // Its address holds the state.
  @Header('referrer-policy', 'no-referrer')
  @BindRoute(githubAppPageRoute)
  async app(
    @CurrentPersonIfAny() person: Person | null,
    @Input() { query }: InputOf<typeof githubAppPageRoute>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    const handed = await this.connections.manifest(query.state, query.account ?? null, person);
    response.setHeader('content-security-policy', policyFor(handed.action));
    return manifestPage(handed);
  }

  @Header('content-type', 'text/html; charset=utf-8')
  // Its address holds the code.
  @Header('referrer-policy', 'no-referrer')
  @BindRoute(githubCallbackRoute)
  async callback(
    @CurrentPersonIfAny() person: Person | null,
    @Input() { query }: InputOf<typeof githubCallbackRoute>,
    @Req() request: Request,
  ): Promise<string> {
    const question = await this.attempts.question(request, query.state, 'github', person);
    if (question !== null) return question;
    const claimed = await this.attempts.claim(query.state, 'github', person);
    if (query.error !== undefined)
      throw new BerthError(
        'login-refused',
        'GitHub was told no. Nothing was connected; begin again when you like.',
      );
    const { code, installation_id: installationId } = query;
    if (claimed.purpose === 'account') {
      if (code === undefined) throw new BerthError('login-refused', 'GitHub sent no code. Begin again.');
      return this.accounts.finish(claimed, code);
    }
    return pageOf(await this.connections.finish(claimed, { code, installationId }));
  }
}
