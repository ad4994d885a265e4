import type { Command } from 'commander';
import type { ApiClient } from '../../api-client.js';
import { connect, connectToBerth, withConnection, type OutputOptions } from '../../connect.js';
import type { CliContext } from '../../context.js';
import type { Session } from '../../session.js';
import type { AuditHead } from '../../wire.js';

/** Which log is meant: the organization's, or that of the whole Berth. */
export interface LogOptions extends OutputOptions {
  instance?: true;
}

/** Adds what says which log. */
export function withLog(command: Command): Command {
  return withConnection(command).option(
    '--instance',
    'the log of the whole Berth: set-up, sign-in, organizations, keys (instance administrators)',
  );
}

export interface AuditLog {
  api: ApiClient;
  path: string;
  /** Null for the log of the whole Berth. */
  session: Session | null;
}

export async function openLog(context: CliContext, options: LogOptions): Promise<AuditLog> {
  if (options.instance)
    return { api: await connectToBerth(context, options), path: '/api/v1/instance/audit', session: null };
  const session = await connect(context, options);
  return { api: session.api, path: session.path('audit'), session };
}

/** A head as one word, to keep and to give back with `--head`. */
export function headText({ seq, hash }: Pick<AuditHead, 'seq' | 'hash'>): string {
  return `${seq}:${hash}`;
}
