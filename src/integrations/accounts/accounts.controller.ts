import { Controller, Header } from '@nestjs/common';
import {
  connectExternalAccountRoute,
  connectPageRoute,
  connectScriptRoute,
  deleteExternalAccountsRoute,
  listExternalAccountsRoute,
  type Answer,
} from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { CurrentPerson, CurrentPersonIfAny, type Person } from '../../identity/index.js';
import { Accounts } from './accounts.service.js';
import { signInScript } from './link-page.js';

/** Members' own accounts at other systems, by API and by the pages behind personal links. */
@Controller()
export class AccountsController {
  constructor(private readonly accounts: Accounts) {}

  @BindRoute(listExternalAccountsRoute)
  async list(@CurrentPerson() person: Person): Promise<Answer<typeof listExternalAccountsRoute>> {
    return { items: await this.accounts.list(person) };
  }

  @BindRoute(deleteExternalAccountsRoute)
  disconnect(
    @CurrentPerson() person: Person,
    @Input() { query }: InputOf<typeof deleteExternalAccountsRoute>,
  ): Promise<void> {
    return this.accounts.disconnect(person, query.system, query.organization);
  }

  @BindRoute(connectExternalAccountRoute)
  connect(
    @CurrentPerson() person: Person,
    @Input() { params, body }: InputOf<typeof connectExternalAccountRoute>,
  ): Promise<Answer<typeof connectExternalAccountRoute>> {
    return this.accounts.connect(person, params.system, body?.organization);
  }

  // Before the page, for which its name must not be taken.
  @Header('content-type', 'text/javascript; charset=utf-8')
  @BindRoute(connectScriptRoute)
  script(): string {
    return signInScript;
  }

  @Header('content-type', 'text/html; charset=utf-8')
  // Its address is the link.
  @Header('referrer-policy', 'no-referrer')
  @Header('cache-control', 'no-store')
  @BindRoute(connectPageRoute)
  page(
    @CurrentPersonIfAny() person: Person | null,
    @Input() { params }: InputOf<typeof connectPageRoute>,
  ): Promise<string> {
    return this.accounts.page(params.system, params.token, person);
  }
}
