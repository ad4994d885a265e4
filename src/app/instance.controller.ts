import { Controller, Header } from '@nestjs/common';
import {
  docsRoute,
  docsScriptRoute,
  homeRoute,
  invitationPageRoute,
  openApiRoute,
  setupPageRoute,
} from '../contracts/index.js';
import { SystemStore } from '../database/index.js';
import { BindRoute, Input, PublicUrl, type InputOf } from '../http/index.js';
import { openApiDocument } from './openapi.js';
import { docsPage, docsScript, homePage, invitationPage, setupPage, setUpAlreadyPage } from './pages.js';

const HTML = 'text/html; charset=utf-8';

/** What belongs to the instance and not to any organization. */
@Controller()
export class InstanceController {
  constructor(
    private readonly system: SystemStore,
    private readonly publicUrl: PublicUrl,
  ) {}

  @BindRoute(openApiRoute)
  openApi() {
    return openApiDocument(this.publicUrl.url);
  }

  @Header('content-type', HTML)
  @BindRoute(docsRoute)
  docs(): string {
    return docsPage();
  }

  @Header('content-type', 'text/javascript; charset=utf-8')
  @BindRoute(docsScriptRoute)
  docsScript(): string {
    return docsScript;
  }

  @Header('content-type', HTML)
  @BindRoute(homeRoute)
  async home(): Promise<string> {
    return homePage(await this.system.isFirstRun());
  }

  @Header('content-type', HTML)
  // Its address holds the token.
  @Header('referrer-policy', 'no-referrer')
  @Header('cache-control', 'no-store')
  @BindRoute(setupPageRoute)
  async setup(@Input() { query }: InputOf<typeof setupPageRoute>): Promise<string> {
    return (await this.system.isFirstRun()) ? setupPage(this.publicUrl.url, query.token) : setUpAlreadyPage();
  }

  @Header('content-type', HTML)
  // Its address holds the token.
  @Header('referrer-policy', 'no-referrer')
  @Header('cache-control', 'no-store')
  @BindRoute(invitationPageRoute)
  invitation(@Input() { query }: InputOf<typeof invitationPageRoute>): string {
    return invitationPage(this.publicUrl.url, query.token);
  }
}
