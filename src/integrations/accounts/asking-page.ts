import { externalSystemNames, type ExternalSystem } from '../../contracts/index.js';
import { escapeHtml, htmlPage } from '../../http/index.js';
import type { Purpose } from './attempt.js';

/** What was begun, and by whom. */
interface Begun {
  actor: { name: string; email: string };
  organization: string;
  purpose: Purpose;
}

/** Asks somebody who is not signed in here whether they finish what was begun. `url`: the same request, from here. */
export function askingPage(
  system: ExternalSystem,
  { actor, organization, purpose }: Begun,
  url: string,
): string {
  const name = externalSystemNames[system];
  const org = `<b>${escapeHtml(organization)}</b>`;
  const who = `<b>${escapeHtml(actor.name)}</b> (${escapeHtml(actor.email)})`;
  const follows: Record<Purpose, string> = {
    app: `this Berth is known to ${name} as what you have just made`,
    connect: `the members of ${org} in Berth have agents read and write in what is yours at ${name}`,
    account: `what your account at ${name} asks for is done as ${who}, who can read it`,
  };
  return htmlPage(
    'Did you begin this?',
    `<h1>Did you begin this?</h1>
<p>Nobody is signed in to Berth with this browser. What you are about to finish was begun by ${who}, of ${org}. If you go on, ${follows[purpose]}.</p>
<p><a href="${escapeHtml(url)}">Go on</a> if that was you, or you know that you do it for them.</p>
<p>If not, close this page: nothing is connected.</p>`,
  );
}
