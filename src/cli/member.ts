import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';
import type { Session } from './session.js';
import { memberSchema, type Member } from './wire.js';

/** The member of this id or email address. Throws CliError (not found). */
export async function memberOf(session: Session, given: string): Promise<Member> {
  const wanted = given.toLowerCase();
  for await (const member of session.api.list(session.path('members'), memberSchema))
    if (member.id === wanted || member.email.toLowerCase() === wanted) return member;
  throw new CliError(exitCodes.notFound, `"${given}" is no member. "berth members list" shows them.`);
}
