import type { Config } from '../../config/index.js';
import { isTlsFailure, networkCode, networkReason } from '../../cli/network.js';
import { ok, warn, type Finding } from './report.js';

const TIMEOUT_MS = 8_000;

/** Somewhere that Berth sends requests to. */
export interface Upstream {
  id: string;
  title: string;
  url: string;
  variable: string;
}

/** All of them, as they are configured. */
export function upstreamsOf({ upstreams, logins, linear, github, subscriptionOauth }: Config): Upstream[] {
  const { claude, openai } = logins;
  const ofLogins = [
    { id: 'claude-login', title: 'Claude login', url: claude.tokenUrl, variable: 'BERTH_CLAUDE_TOKEN_URL' },
    { id: 'chatgpt-login', title: 'ChatGPT login', url: openai.authUrl, variable: 'BERTH_OPENAI_AUTH_URL' },
    { id: 'chatgpt', title: 'ChatGPT', url: upstreams.chatgptUrl, variable: 'BERTH_CHATGPT_API_URL' },
  ];
  return [
    { id: 'anthropic', title: 'Anthropic', url: upstreams.anthropicUrl, variable: 'BERTH_ANTHROPIC_API_URL' },
    { id: 'openai', title: 'OpenAI', url: upstreams.openaiUrl, variable: 'BERTH_OPENAI_API_URL' },
    // Where nobody may connect a login, nobody asks there.
    ...(subscriptionOauth === 'off' ? [] : ofLogins),
    ...(github.app
      ? [{ id: 'github', title: 'GitHub API', url: github.apiUrl, variable: 'BERTH_GITHUB_API_URL' }]
      : []),
    ...(linear.app
      ? [{ id: 'linear', title: 'Linear', url: linear.apiUrl, variable: 'BERTH_LINEAR_API_URL' }]
      : []),
    { id: 'git-host', title: 'Git host', url: upstreams.githubUrl, variable: 'BERTH_GITHUB_URL' },
  ];
}

export interface Reached {
  finding: Finding;
  /** How far our clock is ahead of the upstream's, in seconds; null where it sent no time. */
  aheadSeconds: number | null;
}

/** Any answer counts, since nobody signs in here. That none comes is worth a look only: it may be a provider nobody uses. */
export async function reach({ url, variable }: Upstream): Promise<Reached> {
  const startedAt = Date.now();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { method: 'GET', redirect: 'manual', signal });
    await response.body?.cancel();
    const endedAt = Date.now();
    const date = Date.parse(response.headers.get('date') ?? '');
    return {
      finding: ok(`${url} answers (${response.status}, ${endedAt - startedAt} ms)`),
      aheadSeconds: Number.isNaN(date) ? null : Math.round(((startedAt + endedAt) / 2 - date) / 1000),
    };
  } catch (error) {
    const isTimeout = (error as Error).name === 'TimeoutError';
    const why = isTimeout ? `it did not answer within ${TIMEOUT_MS / 1000} s` : networkReason(error);
    return {
      finding: warn(`${url} is not reached: ${why}.`, advice(networkCode(error), variable)),
      aheadSeconds: null,
    };
  }
}

function advice(code: string, variable: string): string {
  if (/CERT|SELF_SIGNED|VERIFY/.test(code))
    return `Its certificate is not trusted here. If a gateway of yours stands between, set NODE_EXTRA_CA_CERTS to its certificate.`;
  if (['ENOTFOUND', 'EAI_AGAIN'].includes(code))
    return `Check name resolution (/etc/resolv.conf), or correct ${variable}.`;
  if (isTlsFailure(code))
    return `Check scheme and port of ${variable}, and whether a proxy on the way answers in its place.`;
  return `Check the firewall's way out and routes, or set ${variable} to your gateway. Nothing is to be done if nobody uses it.`;
}
