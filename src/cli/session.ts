import type { Command } from 'commander';
import { MAX_EVENTS } from '../contracts/index.js';
import { isId, shortId } from '../kernel/index.js';
import { ApiClient } from './api-client.js';
import type { CliContext } from './context.js';
import { followEvents } from './event-stream.js';
import { CliError, exitCodes } from './failure.js';
import { eventSchema, meSchema, messageSchema, pageSchema, workspaceSchema } from './wire.js';
import type { Message, Workspace, WorkspaceEvent } from './wire.js';
import { z } from 'zod';

/** The options of every command that talks to a Berth. */
export interface ConnectionOptions {
  url?: string;
  organization?: string;
}

/** Adds `--url` and `--organization`. The API key has no flag: arguments are visible to every user of the machine. */
export function withConnection(command: Command): Command {
  return command
    .option('--url <url>', 'address of Berth (BERTH_URL; default http://127.0.0.1:3000)')
    .option(
      '--organization <slug>',
      'organisation, by slug or id (BERTH_ORGANIZATION; default: the only one you are in)',
    );
}

/** Connects: reads the configuration and settles the organisation. */
export async function connect(context: CliContext, options: ConnectionOptions): Promise<Session> {
  const config = await context.connection({ url: options.url, organization: options.organization });
  const api = new ApiClient({
    ...config,
    fetch: context.fetch,
    sleep: context.sleep,
    signal: context.signal,
  });
  return new Session(context, api, config.organization ?? (await onlyOrganization(api)));
}

async function onlyOrganization(api: ApiClient): Promise<string> {
  const { organizations } = await api.get('/api/v1/me', meSchema);
  const [first, ...others] = organizations;
  if (first === undefined)
    throw new CliError(
      exitCodes.usage,
      'You are in no organisation. Ask an administrator of one for an invitation.',
    );
  if (others.length > 0)
    throw new CliError(
      exitCodes.usage,
      'You are in several organisations. Say which with --organization or BERTH_ORGANIZATION:',
      organizations.map(({ slug, name }) => `${slug}  ${name}`),
    );
  return first.slug;
}

/** What a workspace is made of; see the contract's `POST …/workspaces`. */
export interface NewWorkspace {
  repository: string;
  ref?: string;
  agent?: string;
  model?: string;
  message?: string;
  name?: string;
  idleTimeoutMinutes?: number;
}

/** One organisation of one Berth, as the commands use it. Throws as ApiClient does. */
export class Session {
  constructor(
    private readonly context: CliContext,
    private readonly api: ApiClient,
    private readonly organization: string,
  ) {}

  createWorkspace(workspace: NewWorkspace): Promise<Workspace> {
    return this.api.post(this.path('workspaces'), workspace, workspaceSchema);
  }

  workspaces(): AsyncGenerator<Workspace> {
    return this.api.list(this.path('workspaces'), workspaceSchema);
  }

  workspace(id: string): Promise<Workspace> {
    return this.api.get(this.path('workspaces', id), workspaceSchema);
  }

  sendMessage(workspaceId: string, text: string): Promise<Message> {
    return this.api.post(this.path('workspaces', workspaceId, 'messages'), { text }, messageSchema);
  }

  messages(workspaceId: string): AsyncGenerator<Message> {
    return this.api.list(this.path('workspaces', workspaceId, 'messages'), messageSchema);
  }

  /** The events stored so far, after a number; ends when there are no more. */
  async *storedEvents(workspaceId: string, after: number): AsyncGenerator<WorkspaceEvent> {
    for (let last = after; ;) {
      const query = new URLSearchParams({ after: String(last), limit: String(MAX_EVENTS) }).toString();
      const page = await this.api.get(
        `${this.path('workspaces', workspaceId, 'events')}?${query}`,
        eventPageSchema,
      );
      yield* page.items;
      const newest = page.items.at(-1)?.seq ?? last;
      // An empty page is the end; one that does not move on would be asked for for ever.
      if (newest <= last) return;
      last = newest;
    }
  }

  /** Stored and coming events after a number, without end; survives lost connections. */
  followEvents(workspaceId: string, after: number): AsyncGenerator<WorkspaceEvent> {
    const { sleep, clock, signal } = this.context;
    return followEvents({
      open: (last) => this.api.openEvents(this.path('workspaces', workspaceId, 'events'), last),
      after,
      sleep,
      clock,
      signal,
      notice: (text) => this.context.err(`berth: ${text}\n`),
    });
  }

  /**
   * The full id of a workspace given by id or by the last eight digits that its branch shows.
   * @throws CliError (usage) for text that is neither, or digits that several workspaces share; (refused) when there is none.
   */
  async workspaceId(given: string): Promise<string> {
    const text = given.toLowerCase();
    if (isId(text)) return text;
    if (!/^[0-9a-f]{8}$/.test(text))
      throw new CliError(
        exitCodes.usage,
        `"${given}" is no workspace id. Give the id, or its last eight digits; "berth workspaces list" shows them.`,
      );
    const matches: Workspace[] = [];
    for await (const workspace of this.workspaces())
      if (shortId(workspace.id) === text) matches.push(workspace);
    const [only, ...others] = matches;
    if (only === undefined)
      throw new CliError(
        exitCodes.refused,
        `No workspace ends in ${text}. "berth workspaces list" shows yours.`,
      );
    if (others.length > 0)
      throw new CliError(
        exitCodes.usage,
        `Several workspaces end in ${text}. Give the full id:`,
        matches.map(({ id }) => id),
      );
    return only.id;
  }

  private path(...segments: string[]): string {
    return ApiClient.path(this.organization, ...segments);
  }
}

const eventPageSchema = pageSchema.extend({ items: z.array(eventSchema) });
