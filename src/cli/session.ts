import { MAX_EVENTS } from '../contracts/index.js';
import { isId, shortId } from '../kernel/index.js';
import { ApiClient } from './api-client.js';
import type { CliContext } from './context.js';
import { followEvents } from './event-stream.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';
import { eventSchema, messageSchema, pageSchema, workspaceSchema } from './wire.js';
import type { Message, Workspace, WorkspaceEvent } from './wire.js';
import { z } from 'zod';

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

/** One organization of one Berth, as the commands use it. Throws as ApiClient does. */
export class Session {
  constructor(
    private readonly context: CliContext,
    readonly api: ApiClient,
    readonly organization: string,
  ) {}

  createWorkspace(workspace: NewWorkspace): Promise<Workspace> {
    return this.api.change('POST', this.path('workspaces'), workspaceSchema, { body: workspace });
  }

  workspaces(): AsyncGenerator<Workspace> {
    return this.api.list(this.path('workspaces'), workspaceSchema);
  }

  workspace(id: string): Promise<Workspace> {
    return this.api.get(this.path('workspaces', id), workspaceSchema);
  }

  /** Asks for another state of a workspace; answers the workspace as it is now. */
  order(id: string, order: 'hibernate' | 'wake' | 'delete'): Promise<Workspace> {
    const path = this.path('workspaces', id);
    return order === 'delete'
      ? this.api.change('DELETE', path, workspaceSchema)
      : this.api.change('POST', `${path}/${order}`, workspaceSchema);
  }

  sendMessage(workspaceId: string, text: string): Promise<Message> {
    return this.api.change('POST', this.path('workspaces', workspaceId, 'messages'), messageSchema, {
      body: { text },
    });
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
      notice: (text) => this.context.progress.note(`berth: ${text}`),
    });
  }

  /**
   * The full id of a workspace given by id or by the last eight digits that its branch shows.
   * @throws CliError (usage) for text that is neither, or digits that several workspaces share; (not found) when there is none.
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
        exitCodes.notFound,
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

  /** Path of something of this organization. */
  path(...segments: string[]): string {
    return ApiClient.path(this.organization, ...segments);
  }
}

const eventPageSchema = pageSchema.extend({ items: z.array(eventSchema) });
