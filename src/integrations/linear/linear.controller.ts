import { Controller, Header, Req } from '@nestjs/common';
import type { Request } from 'express';
import {
  connectLinearRoute,
  disconnectLinearRoute,
  linearCallbackRoute,
  showLinearRoute,
  type Answer,
} from '../../contracts/index.js';
import { BindRoute, escapeHtml, htmlPage, Input, type InputOf } from '../../http/index.js';
import { CurrentActor, CurrentPersonIfAny, type Actor, type Person } from '../../identity/index.js';
import { BerthError } from '../../kernel/index.js';
import { Accounts } from '../accounts/accounts.service.js';
import { ConnectionAttempts } from '../accounts/connection-attempts.js';
import { LinearConnections } from './connections.service.js';

/** How an organization is connected to Linear. */
@Controller()
export class LinearController {
  constructor(
    private readonly connections: LinearConnections,
    private readonly attempts: ConnectionAttempts,
    private readonly accounts: Accounts,
  ) {}

  @BindRoute(showLinearRoute)
  show(@CurrentActor() actor: Actor): Promise<Answer<typeof showLinearRoute>> {
    return this.connections.show(actor);
  }

  @BindRoute(connectLinearRoute)
  connect(@CurrentActor() actor: Actor): Promise<Answer<typeof connectLinearRoute>> {
    return this.connections.begin(actor);
  }

  @BindRoute(disconnectLinearRoute)
  disconnect(@CurrentActor() actor: Actor): Promise<void> {
    return this.connections.disconnect(actor);
  }

  @Header('content-type', 'text/html; charset=utf-8')
  // Its address holds the code.
  @Header('referrer-policy', 'no-referrer')
  @Header('cache-control', 'no-store')
  @BindRoute(linearCallbackRoute)
  async callback(
    @CurrentPersonIfAny() person: Person | null,
    @Input() { query }: InputOf<typeof linearCallbackRoute>,
    @Req() request: Request,
  ): Promise<string> {
    const question = await this.attempts.question(request, query.state, 'linear', person);
    if (question !== null) return question;
    const claimed = await this.attempts.claim(query.state, 'linear', person);
    if (query.code === undefined)
      throw new BerthError(
        'login-refused',
        'Linear was told no. Nothing was connected; begin again when you like.',
      );
    if (claimed.purpose === 'account') return this.accounts.finish(claimed, query.code);
    const { organization, viewer } = await this.connections.finish(claimed, query.code);
    return htmlPage(
      'Linear is connected',
      `<h1>Linear is connected</h1>
<p>Berth is <b>${escapeHtml(viewer.displayName)}</b> in <b>${escapeHtml(organization.name)}</b> now: give it an issue there, or mention it. You can close this page.</p>`,
    );
  }
}
