import { Secret } from '../kernel/index.js';
import { ApiClient } from './api-client.js';
import { clientOf } from './connect.js';
import type { CliContext } from './context.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';
import { apiKeySchema, meSchema, newApiKeySchema, type Me } from './wire.js';

/** A key that works, whose it is and for which organization it is used; `id` when it was made by this command. */
export interface SignedIn {
  url: string;
  key: Secret;
  id: string | null;
  organization: string | null;
  me: Me;
}

/** Keeps a key for the other commands, in place of any that was kept. Answers the file's path. */
export async function keepKey(
  context: CliContext,
  { url, key, organization, id }: Omit<SignedIn, 'me'>,
): Promise<string> {
  const { configFile } = context;
  await configFile.write({
    url,
    apiKey: key.reveal(),
    ...(id === null ? {} : { apiKeyId: id }),
    ...(organization === null ? {} : { organization }),
  });
  const { keyVariable } = context.local;
  if (keyVariable !== null)
    context.progress.note(`berth: ${keyVariable} is set, and goes before what was kept.`);
  return configFile.path;
}

/** Keeps a key that Berth made for who came by a link. Answers the file's path. */
export async function keepNewKey(
  context: CliContext,
  { url, apiKey, organization }: { url: string; apiKey: string; organization: string },
): Promise<string> {
  const key = new Secret(apiKey);
  return keepKey(context, { url, key, organization, id: await idOf(context, url, key, organization) });
}

/** The id of a key, so that signing out can delete it; null when it cannot be found. */
async function idOf(context: CliContext, url: string, key: Secret, slug: string): Promise<string | null> {
  const api = clientOf(context, url, key);
  try {
    for await (const entry of api.list(ApiClient.path(slug, 'api-keys'), apiKeySchema))
      if (key.reveal().startsWith(entry.prefix)) return entry.id;
  } catch {
    // The key works all the same; signing out will then only forget it.
  }
  return null;
}

/** Tries a key. Throws as ApiClient does. */
export async function withApiKey(
  context: CliContext,
  { url, key, organization }: { url: string; key: string; organization: string | undefined },
): Promise<SignedIn> {
  const secret = new Secret(key);
  const me = await clientOf(context, url, secret).get('/api/v1/me', meSchema);
  return { url, key: secret, id: null, organization: choose(me, organization), me };
}

/** Signs in with a password, makes an API key and signs out again: the password is used for this once and kept nowhere. */
export async function withPassword(
  context: CliContext,
  given: {
    url: string;
    email: string;
    password: string;
    organization: string | undefined;
    keyName: string;
  },
): Promise<SignedIn> {
  const { url, email, password, keyName } = given;
  const api = clientOf(context, url, null);
  const { headers } = await api.send('POST', '/api/v1/session', {
    body: { email, password },
    repeatable: false,
  });
  const cookie = headers
    .getSetCookie()
    .map((entry) => entry.split(';')[0] ?? '')
    .join('; ');
  // A browser says by this header that its own page asks; Berth takes the cookie from nowhere else.
  const session = { cookie, 'sec-fetch-site': 'same-origin' };
  try {
    const me = await api.get('/api/v1/me', meSchema, { headers: session });
    const organization = choose(me, given.organization);
    if (organization === null)
      throw new CliError(
        exitCodes.usage,
        me.organizations.length === 0
          ? 'You are in no organization. Ask an administrator of one for an invitation.'
          : 'You are in several organizations, and an API key is made in one. Say which with --organization:',
        me.organizations.map(({ slug, name }) => `${slug}  ${name}`),
      );
    const path = ApiClient.path(organization, 'api-keys');
    const made = await api.change('POST', path, newApiKeySchema, {
      body: { name: keyName },
      headers: session,
    });
    return { url, key: new Secret(made.apiKey), id: made.id, organization, me };
  } finally {
    // The session ends by itself too.
    await api.command('DELETE', '/api/v1/session', { headers: session }).catch(() => undefined);
  }
}

/** The organization that commands without `--organization` mean; null when that must be said each time. */
function choose({ organizations }: Me, given: string | undefined): string | null {
  if (given !== undefined) {
    const known = organizations.find(({ slug, id }) => slug === given || id === given);
    if (known) return known.slug;
    throw new CliError(
      exitCodes.notFound,
      `You are in no organization "${given}".`,
      organizations.map(({ slug, name }) => `${slug}  ${name}`),
    );
  }
  const [only, ...others] = organizations;
  return only === undefined || others.length > 0 ? null : only.slug;
}
