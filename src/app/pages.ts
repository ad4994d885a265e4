import type { Problem } from '../contracts/index.js';
import { escapeHtml, htmlPage } from '../http/index.js';

/** An error, for somebody who came with a browser: what is wrong, and the id by which we find it in the log. */
export function errorPage({ title, detail, code, requestId }: Problem): string {
  const quote = requestId
    ? `<p>When you ask for help, quote this id: <code>${escapeHtml(requestId)}</code></p>`
    : '';
  return htmlPage(
    escapeHtml(title),
    `<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(detail)} <code>${escapeHtml(code)}</code></p>
${quote}
<p><a href="/">To the start</a></p>`,
  );
}

export function homePage(firstRun: boolean): string {
  const next = firstRun
    ? '<p>This Berth is new. Open the set-up link that it printed when it started.</p>'
    : '<p>It is set up and running.</p>';
  return htmlPage(
    'Berth',
    `<h1>Berth</h1><p>Coding-agent workspaces that start with the right person’s credentials.</p>${next}
<ul><li><a href="/docs">The API, to read and try</a></li><li><a href="/openapi.json">The API as OpenAPI 3.1</a></li></ul>`,
  );
}

/** The page behind the printed link. The token is checked when it is used, not here; it is shown back to who brought it. */
export function setupPage(url: string, token: string | undefined): string {
  const command = `curl -sS ${url}/api/v1/setup -H 'content-type: application/json' -d '{
  "token": "${token && /^[\w-]+$/.test(token) ? token : 'THE TOKEN BERTH PRINTED'}",
  "organization": {"name": "Acme", "slug": "acme"},
  "user": {"name": "Ada Lovelace", "email": "ada@example.com", "password": "choose a long password"}
}'`;
  return htmlPage(
    'Set up Berth',
    `<h1>Set up Berth</h1>
<p>This makes the first organization and you as its owner. In Berth's folder <code>npx berth setup</code> asks for all of it. Or put in your names and run this in a shell:</p>
<pre><code>${escapeHtml(command)}</code></pre>
<p>The answer holds an API key. It is shown this once; keep it: <code>export BERTH_API_KEY=berth_…</code></p>
<p>Then <a href="/docs">the API</a> is yours, and so is the command <code>berth</code>.</p>`,
  );
}

export function setUpAlreadyPage(): string {
  return htmlPage(
    'Berth is set up',
    '<h1>Berth is set up already</h1><p>Ask its administrator for an invitation, or read <a href="/docs">the API</a>.</p>',
  );
}

/** The page behind an invitation's link. It knows nothing of the token: whether that is good is said when it is used, and only to who uses it. */
export function invitationPage(url: string, token: string | undefined): string {
  const shown = token && /^[\w-]+$/.test(token) ? token : 'THE TOKEN OF YOUR LINK';
  const accept = (rest: string, body: string): string =>
    `curl -sS ${url}/api/v1/invitations/accept -H 'content-type: application/json'${rest} -d '{\n  "token": "${shown}"${body}\n}'`;
  const anew = accept('', ',\n  "name": "Grace Hopper",\n  "password": "choose a long password"');
  const withKey = accept(' -H "authorization: Bearer $BERTH_API_KEY"', '');
  return htmlPage(
    'Join on Berth',
    `<h1>You are invited</h1>
<p>Where you have the command <code>berth</code>, <code>berth invitations accept</code> asks for all of it. Or put in your name and a password of at least 12 characters, and run this in a shell:</p>
<pre><code>${escapeHtml(anew)}</code></pre>
<p>The answer holds an API key. It is shown this once; keep it: <code>export BERTH_API_KEY=berth_…</code></p>
<p>If you have an account on this Berth with the invited address already, use its password there (it stays as it is, and so does your name), or accept with an API key of yours:</p>
<pre><code>${escapeHtml(withKey)}</code></pre>
<p>The link is good for one person and seven days. Do not pass it on. Then <a href="/docs">the API</a> is yours, and so is the command <code>berth</code>.</p>`,
  );
}

export function docsPage(): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Berth API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
`;
}

/** A file of its own, since the content security policy admits no script inside a page. */
export const docsScript = `window.ui = SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, defaultModelsExpandDepth: -1 });\n`;
