import { Controller, Header, Inject } from '@nestjs/common';
import {
  docsRoute,
  docsScriptRoute,
  healthRoute,
  homeRoute,
  invitationPageRoute,
  openApiRoute,
  readyRoute,
  setupPageRoute,
} from '../contracts/index.js';
import { Database, SystemStore } from '../database/index.js';
import { BindRoute, Input, PublicUrl, type InputOf } from '../http/index.js';
import { BerthError, LOG, messageOf, type Log } from '../kernel/index.js';
import { JobQueue } from '../queue/index.js';
import { openApiDocument } from './openapi.js';
import { docsPage, docsScript, homePage, invitationPage, setupPage, setUpAlreadyPage } from './pages.js';
import { Readiness } from './readiness.js';

const HTML = 'text/html; charset=utf-8';

/** What belongs to the instance and not to any organization. */
@Controller()
export class InstanceController {
  constructor(
    private readonly database: Database,
    private readonly system: SystemStore,
    private readonly queue: JobQueue,
    private readonly publicUrl: PublicUrl,
    private readonly readiness: Readiness,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @BindRoute(healthRoute)
  health() {
    return { status: 'ok' as const };
  }

  /** Throws `not-ready` with what does not answer. Why it does not is for the log: everybody may ask here, and drivers name logins and hosts. */
  @BindRoute(readyRoute)
  async ready() {
    if (!this.readiness.isOpen) throw notReady('it is starting or stopping');
    await this.answers('database', () => this.database.ping());
    await this.answers(`queue on ${this.queue.store}`, () => this.queue.ping());
    return { status: 'ready' as const };
  }

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

  private async answers(part: string, ping: () => Promise<void>): Promise<void> {
    try {
      await ping();
    } catch (error) {
      this.log.warn({ part, reason: messageOf(error) }, 'not ready: a part does not answer');
      throw notReady(`the ${part} does not answer`);
    }
  }
}

function notReady(reason: string): BerthError {
  return new BerthError('not-ready', `Berth cannot serve now: ${reason}.`, { retryAfterSeconds: 5 });
}
