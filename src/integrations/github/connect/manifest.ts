/** What Berth needs where it is installed (facts/github.md 1). `emails` is of people who sign in; it is not called `email_addresses` here. */
export const PERMISSIONS = {
  metadata: 'read',
  contents: 'write',
  issues: 'write',
  pull_requests: 'write',
  checks: 'write',
  members: 'read',
  emails: 'read',
} as const;

/** Those that must be there for work to be asked for and done. */
export const NEEDED = ['contents', 'issues', 'pull_requests', 'checks', 'members'] as const;

const EVENTS = [
  'issue_comment',
  'issues',
  'pull_request',
  'pull_request_review',
  'pull_request_review_comment',
  'repository',
];

/** GitHub takes no longer name. */
const MAX_NAME = 34;

/** The App as GitHub is asked to make it; whoever makes it may change the name. `url`: where this Berth is. */
export function manifestOf(url: string): Record<string, unknown> {
  const host = new URL(url).hostname.replaceAll(/[^a-z0-9-]+/gi, '-');
  const callback = `${url}/oauth/github/callback`;
  return {
    name: `berth-${host}`.slice(0, MAX_NAME),
    url,
    hook_attributes: { url: `${url}/webhooks/github`, active: true },
    redirect_url: callback,
    callback_urls: [callback],
    // Whoever installs it says who they are on the way: an installation's number alone can be forged.
    request_oauth_on_install: true,
    setup_on_update: true,
    // One Berth serves many organizations, each of which installs it. Installing ties nothing by itself.
    public: true,
    default_permissions: PERMISSIONS,
    default_events: EVENTS,
  };
}

/** Where a manifest is posted: the person's own settings, or an organization's. */
export function newAppUrl(webUrl: string, account: string | null, state: string): string {
  const path = account === null ? '' : `/organizations/${encodeURIComponent(account)}`;
  return `${webUrl}${path}/settings/apps/new?state=${encodeURIComponent(state)}`;
}

/** The page of the App where it is installed. Enterprise Servers have another path for it. */
export function installUrl(webUrl: string, slug: string, state: string): string {
  const { hostname } = new URL(webUrl);
  const isCloud = hostname === 'github.com' || hostname.endsWith('.ghe.com');
  return `${webUrl}/${isCloud ? 'apps' : 'github-apps'}/${slug}/installations/new?state=${encodeURIComponent(state)}`;
}

/** Those of `NEEDED` that an installation does not grant. */
export function missingOf(permissions: Record<string, string>): string[] {
  return NEEDED.filter((name) =>
    PERMISSIONS[name] === 'read' ? permissions[name] === undefined : permissions[name] !== 'write',
  );
}
