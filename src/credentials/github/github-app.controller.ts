import { Controller } from '@nestjs/common';
import { replaceGithubAppSecretsRoute, type GithubAppView } from '../../contracts/index.js';
import { BindRoute, Input, type InputOf } from '../../http/index.js';
import { auditedPerson, CurrentPerson, type Person } from '../../identity/index.js';
import { GithubApp } from './github-app.service.js';

/** The App at GitHub, for who administers this Berth. */
@Controller()
export class GithubAppController {
  constructor(private readonly app: GithubApp) {}

  @BindRoute(replaceGithubAppSecretsRoute)
  replaceSecrets(
    @CurrentPerson() person: Person,
    @Input() { body }: InputOf<typeof replaceGithubAppSecretsRoute>,
  ): Promise<GithubAppView> {
    const { acceptFormerMinutes, ...changes } = body;
    return this.app.replaceSecrets(changes, acceptFormerMinutes * 60, auditedPerson(person));
  }
}
