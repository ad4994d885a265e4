import { existsSync } from 'node:fs';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';

/** The built server, which this command starts as a child. Throws CliError when it is not built. */
export function requireServer(entry: string): void {
  if (!existsSync(entry))
    throw new CliError(exitCodes.failed, 'Berth is not built yet. Run "npm run build" in its folder first.');
}
