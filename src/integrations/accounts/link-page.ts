import { externalSystemNames, type ExternalSystem } from '../../contracts/index.js';
import { escapeHtml, htmlPage } from '../../http/index.js';
import { BerthError } from '../../kernel/index.js';

/** A personal link, as it stands. */
export interface LinkFacts {
  system: string;
  externalId: string;
  handle: string | null;
  expiresAt: Date;
  usedAt: Date | null;
  /** The name of whose it is. */
  organization: string;
}

/** Why a link leads nowhere, with what to do; null when it is good. */
export function linkRefusal(link: LinkFacts | null, system: ExternalSystem, now: Date): BerthError | null {
  if (link?.system !== system)
    return new BerthError(
      'invitation-invalid',
      'This is no link of this Berth. Copy the whole of it, or ask for something again where you got it: you are given another when the last one is over.',
    );
  if (link.usedAt)
    return new BerthError(
      'invitation-over',
      'This link was used: the account is connected. There is nothing more to do.',
    );
  if (link.expiresAt <= now)
    return new BerthError(
      'invitation-over',
      `This link ended on ${link.expiresAt.toISOString().slice(0, 10)}. Ask again where you got it, and you are given another.`,
    );
  return null;
}

/** Who has opened it, and where they go on; no `url`: they are not signed in here, or no member. */
interface Visitor {
  signedInAs: string | null;
  organization: string;
  url: string | null;
}

export function connectPage(link: LinkFacts, { signedInAs, organization, url }: Visitor): string {
  const name = externalSystemNames[link.system as ExternalSystem];
  const who = link.handle === null ? `Somebody at ${name}` : `<b>${escapeHtml(link.handle)}</b> at ${name}`;
  const org = `<b>${escapeHtml(organization)}</b>`;
  const title = `Connect your ${name} account`;
  const head = `<h1>${title}</h1>
<p>${who} asked Berth for work in ${org}, and Berth does not know which member that is. If it was you, connect the account: work that it asks for is then yours, done with your credentials.</p>`;
  return htmlPage(
    title,
    `${head}\n${url === null ? signIn(signedInAs, org) : goOn(name, signedInAs ?? '', link, url)}`,
  );
}

function goOn(name: string, signedInAs: string, { handle }: LinkFacts, url: string): string {
  const as = handle === null ? 'as who asked' : `as <b>${escapeHtml(handle)}</b>`;
  return `<p>You are signed in to Berth as <b>${escapeHtml(signedInAs)}</b>. ${name} will ask who you are: sign in there ${as}, and no other account. Berth learns who you are, and keeps no access.</p>
<p><a href="${escapeHtml(url)}">Go on to ${name}</a></p>
<p>If it was not you, close this page: nothing is connected by having opened it.</p>`;
}

function signIn(signedInAs: string | null, organization: string): string {
  const not =
    signedInAs === null
      ? ''
      : `<p>You are signed in as <b>${escapeHtml(signedInAs)}</b>, who is no member of ${organization}. Sign in as a member, or ask for an invitation.</p>`;
  return `${not}<form id="sign-in">
<p><label>Email <input name="email" type="email" autocomplete="username" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in to Berth</button> <span id="said" role="status"></span></p>
</form>
<p>Without a password here, use the command: <code>berth accounts connect</code>.</p>
<script src="/connect/sign-in.js"></script>`;
}

/** A file of its own, since the content security policy admits no script inside a page. */
export const signInScript = `const form = document.getElementById('sign-in');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  const said = document.getElementById('said');
  try {
    const answer = await fetch('/api/v1/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password }),
    });
    if (answer.ok) return location.reload();
    said.textContent = (await answer.json()).detail;
  } catch {
    said.textContent = 'Berth did not answer. Try again.';
  }
});
`;
