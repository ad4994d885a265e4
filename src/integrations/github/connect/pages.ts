import { escapeHtml, htmlPage } from '../../../http/index.js';
import type { Connected } from './connections.service.js';

/** What a person sees on the way. What comes from GitHub is text. */
export function pageOf(connected: Connected): string {
  switch (connected.step) {
    case 'app-made':
      return htmlPage(
        'The App is made',
        `<h1>The App is made</h1>
<p>At GitHub this Berth is <b>@${escapeHtml(connected.slug)}</b> now. Its keys are kept sealed here.</p>
<p>Next: <a href="${escapeHtml(connected.url)}">install it</a>, on all repositories of your account or some. The link is good for a quarter of an hour; later, begin with <code>berth integrations github connect</code>.</p>`,
      );
    case 'say-who':
      return htmlPage(
        'One more step',
        `<h1>One more step</h1>
<p>The App is installed. <a href="${escapeHtml(connected.url)}">Say at GitHub who you are</a>, so that it is sure that the account is yours to connect.</p>`,
      );
    case 'connected':
      return htmlPage('GitHub is connected', `<h1>GitHub is connected</h1>\n${saidOf(connected)}`);
  }
}

function saidOf({ account, repositories, members, self }: Connected & { step: 'connected' }): string {
  const reached = repositories === 1 ? 'one repository' : `${repositories} repositories`;
  const you =
    self === null
      ? 'Your account at GitHub is another member’s here, and was left with them.'
      : `You are <b>${escapeHtml(self)}</b> there.`;
  const others =
    members > 0
      ? ` ${members === 1 ? 'One member is' : `${members} members are`} known by an address of your domain.`
      : '';
  return `<p><b>${escapeHtml(account)}</b> is connected, with ${reached}. ${you}${others} Everybody else connects with their first mention.</p>
<p>You can close this page.</p>`;
}

/** Hands the manifest over: GitHub takes it as a form alone. */
export function manifestPage({ action, manifest }: { action: string; manifest: string }): string {
  return htmlPage(
    'Make the App at GitHub',
    `<h1>Make the App at GitHub</h1>
<p>Berth asks GitHub to make an App for it: for comments, pull requests, checks and the contents of the repositories where it is installed. You may change its name there; people mention it by that.</p>
<form method="post" action="${escapeHtml(action)}"><input type="hidden" name="manifest" value="${escapeHtml(manifest)}"><button>Go on at GitHub</button></form>`,
  );
}

/** The only place besides ourselves that the form may go to. */
export function policyFor(action: string): string {
  return `default-src 'self'; style-src 'self' 'unsafe-inline'; form-action ${new URL(action).origin}; base-uri 'none'; frame-ancestors 'none'`;
}
