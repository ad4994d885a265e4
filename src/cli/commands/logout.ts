import { Command } from 'commander';
import { Secret } from '../../kernel/index.js';
import { ApiClient } from '../api-client.js';
import { clientOf } from '../connect.js';
import type { CliContext } from '../context.js';
import { messageOf } from '../../kernel/index.js';
import { withExamples } from '../help.js';
import { jsonText } from '../render.js';
import type { StoredConfig } from '../../config/cli-config.js';

/** `berth logout` */
export function logoutCommand(context: CliContext): Command {
  const command = new Command('logout')
    .description('forget the kept API key; one that "login" or "setup" made is deleted at Berth too')
    .option('--json', 'print what was done as JSON')
    .action(async (options: { json?: true }) => {
      const { apiKey, apiKeyId, ...rest } = await context.configFile.read();
      if (apiKey === undefined) {
        context.out(
          options.json ? `${jsonText({ forgotten: false, deleted: false })}\n` : 'No API key is kept.\n',
        );
        return;
      }
      const deleted = await deleteKey(context, { apiKey, apiKeyId, ...rest });
      await context.configFile.write(rest);
      const text = deleted ? 'Signed out: the API key is deleted.' : 'Signed out: the API key is forgotten.';
      context.out(options.json ? `${jsonText({ forgotten: true, deleted })}\n` : `${text}\n`);
    });
  return withExamples(command, 'berth logout');
}

/** True when the key is gone at Berth too. A Berth that is not there does not keep one from signing out. */
async function deleteKey(context: CliContext, stored: StoredConfig): Promise<boolean> {
  const { url, apiKey = '', apiKeyId, organization } = stored;
  if (url === undefined || apiKeyId === undefined || organization === undefined) return false;
  const api = clientOf(context, url, new Secret(apiKey));
  try {
    await api.command('DELETE', ApiClient.path(organization, 'api-keys', apiKeyId), { repeatable: false });
    return true;
  } catch (error) {
    context.progress.note(`berth: The API key could not be deleted at Berth: ${messageOf(error)}`);
    return false;
  }
}
