import type { Command } from 'commander';
import type { Secret } from '../kernel/index.js';
import { ApiClient } from './api-client.js';
import type { CliContext } from './context.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';
import { Session } from './session.js';
import { meSchema } from './wire.js';

/** The options of every command that talks to a Berth. */
export interface ConnectionOptions {
  url?: string;
  organization?: string;
}

/** With the option that all answers have too. */
export interface OutputOptions extends ConnectionOptions {
  json?: true;
}

/** Adds `--url`. The API key has no flag: arguments are visible to every user of the machine. */
export function withAddress(command: Command): Command {
  return command.option('--url <url>', 'address of Berth (BERTH_URL; default http://127.0.0.1:3000)');
}

/** Adds `--url` and `--organization`. */
export function withConnection(command: Command): Command {
  return withAddress(command).option(
    '--organization <slug>',
    'organization, by slug or id (BERTH_ORGANIZATION; default: the only one you are in)',
  );
}

/** A client of the Berth at `url`; without a key for who is not signed in yet. */
export function clientOf(context: CliContext, url: string, apiKey: Secret | null): ApiClient {
  const { progress } = context;
  return new ApiClient({
    url,
    apiKey,
    fetch: context.fetch,
    sleep: context.sleep,
    signal: context.signal,
    newKey: context.newKey,
    waiting: (because, milliseconds) => {
      const seconds = Math.max(1, Math.round(milliseconds / 1000));
      progress.note(`berth: ${because}; trying again in ${seconds} s.`);
    },
  });
}

/** Connects without settling an organization: for what concerns the whole Berth. */
export async function connectToBerth(context: CliContext, options: ConnectionOptions): Promise<ApiClient> {
  const { url, apiKey } = await context.connection({ url: options.url });
  return clientOf(context, url, apiKey);
}

/** Connects: reads the configuration and settles the organization. */
export async function connect(context: CliContext, options: ConnectionOptions): Promise<Session> {
  const config = await context.connection({ url: options.url, organization: options.organization });
  const api = clientOf(context, config.url, config.apiKey);
  return new Session(context, api, config.organization ?? (await onlyOrganization(api)));
}

async function onlyOrganization(api: ApiClient): Promise<string> {
  const { organizations } = await api.get('/api/v1/me', meSchema);
  const [first, ...others] = organizations;
  if (first === undefined)
    throw new CliError(
      exitCodes.usage,
      'You are in no organization. Ask an administrator of one for an invitation.',
    );
  if (others.length > 0)
    throw new CliError(
      exitCodes.usage,
      'You are in several organizations. Say which with --organization or BERTH_ORGANIZATION:',
      organizations.map(({ slug, name }) => `${slug}  ${name}`),
    );
  return first.slug;
}
