import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { RequestError } from 'octokit';
import { z } from 'zod';
import { BerthError, Secret } from '../../kernel/index.js';
import { saidBy } from '../providers/github-app.js';
import { GithubApp } from './github-app.service.js';

/** A person at GitHub, by their own word. */
export interface GithubSelf {
  id: string;
  login: string;
  name: string | null;
  /** That GitHub says are verified. Empty where the App may not ask. */
  verifiedEmails: string[];
}

const grantedSchema = z.object({ access_token: z.string().min(1) });
/** A word of theirs, and nothing that could be quoted. */
const deniedSchema = z.object({ error: z.string().regex(/^[a-z_]{1,60}$/) });

/** Tokens of people, by which they prove who they are. Each is used at once, ended, and kept nowhere. */
@Injectable()
export class GithubUsers {
  constructor(private readonly app: GithubApp) {}

  /** The page where a person says who they are. Throws `not-connected` where there is no App. */
  async authorizationUrl(asked: { redirectUrl: string; state: string; verifier: string }): Promise<string> {
    const { clientId } = await this.app.keys();
    const url = new URL(`${this.app.endpoints.webUrl}/login/oauth/authorize`);
    const query = {
      client_id: clientId,
      redirect_uri: asked.redirectUrl,
      state: asked.state,
      code_challenge: createHash('sha256').update(asked.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  /**
   * Exchanges a code, which serves once; does with the token what is to be done; and ends it. `verifier`: of a way that began at `authorizationUrl`; null for one that GitHub itself began, with an
   * installation. Throws `login-refused`.
   */
  async with<T>(code: string, verifier: string | null, work: (token: Secret) => Promise<T>): Promise<T> {
    const token = await this.exchange(code, verifier);
    try {
      return await work(token);
    } finally {
      await this.end(token);
    }
  }

  /** Whose token it is. Throws RequestError as GitHub answers. */
  async self(token: Secret): Promise<GithubSelf> {
    const octokit = this.app.octokitAs(token, 'people');
    const { data } = await octokit.rest.users.getAuthenticated();
    const emails = await octokit.paginate('GET /user/emails', { per_page: 100 }).catch((error: unknown) => {
      // Signing in works without that permission (facts: "Resource not accessible by integration").
      if (error instanceof RequestError && [403, 404].includes(error.status)) return [];
      throw error;
    });
    const verifiedEmails = emails.filter(({ verified }) => verified).map(({ email }) => email);
    return { id: String(data.id), login: data.login, name: data.name, verifiedEmails };
  }

  private async exchange(code: string, verifier: string | null): Promise<Secret> {
    const { clientId, clientSecret } = await this.app.keys();
    const { webUrl } = this.app.endpoints;
    const answer = await this.app
      .octokitAs(null, 'people')
      .request('POST /login/oauth/access_token', {
        baseUrl: webUrl,
        headers: { accept: 'application/json' },
        ...{ client_id: clientId, client_secret: clientSecret.reveal(), code },
        ...(verifier === null ? {} : { code_verifier: verifier }),
      })
      .catch((error: unknown) => {
        throw refused(saidBy(error));
      });
    const granted = grantedSchema.safeParse(answer.data);
    if (granted.success) return new Secret(granted.data.access_token);
    // Errors come with status 200; the short word of it is all that is repeated.
    const denied = deniedSchema.safeParse(answer.data);
    throw refused(`GitHub refused the code${denied.success ? ` (${denied.data.error})` : ''}`);
  }

  /** Best effort: it would end by itself within eight hours. */
  private async end(token: Secret): Promise<void> {
    const { clientId, clientSecret } = await this.app.keys();
    const basic = Buffer.from(`${clientId}:${clientSecret.reveal()}`).toString('base64');
    await this.app
      .octokitAs(null, 'people')
      .request('DELETE /applications/{client_id}/token', {
        client_id: clientId,
        access_token: token.reveal(),
        headers: { authorization: `basic ${basic}` },
      })
      .catch(() => undefined);
  }
}

function refused(reason: string): BerthError {
  return new BerthError('login-refused', `${reason}. Begin again.`);
}
