import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { importSPKI, jwtVerify } from 'jose';
import type { Clock } from '../../src/kernel/index.js';
import { GithubRefusal, type GithubCaller } from './github-call.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubPermissions,
  GithubUser,
  GithubWorld,
} from './github-world.js';

const INSTALLATION_SECONDS = 3_600;
const USER_SECONDS = 28_800;
const REFRESH_SECONDS = 15_897_600;
/** GitHub's own words: at most ten minutes ahead. */
const JWT_SECONDS = 600;

interface InstallationToken {
  kind: 'installation';
  installation: GithubInstallation;
  permissions: GithubPermissions;
  repositoryIds: Set<number> | null;
  expiresAt: number;
}

interface UserToken {
  kind: 'user';
  user: GithubUser;
  app: GithubApp;
  refreshToken: string;
  expiresAt: number;
  refreshExpiresAt: number;
}

/** What a token endpoint gives out for a person. */
export interface UserGrant {
  access_token: string;
  expires_in: number;
  refresh_token: string;
  refresh_token_expires_in: number;
  scope: '';
  token_type: 'bearer';
}

/** A key pair as GitHub makes one for an App. */
export function appKeys(): { pem: string; publicKeyPem: string } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    pem: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    publicKeyPem: createPublicKey(createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })))
      .export({ type: 'spki', format: 'pem' })
      .toString(),
  };
}

/** All tokens that were given out, and what each may do. */
export class GithubTokens {
  readonly #tokens = new Map<string, InstallationToken | UserToken>();
  /** Every token and refresh token ever made, to be looked for where they must not be. */
  readonly minted: string[] = [];
  /** What of them was revoked by its holder. */
  readonly revoked: string[] = [];
  readonly #key = randomBytes(32);

  constructor(
    private readonly world: GithubWorld,
    private readonly clock: Clock,
  ) {}

  /** A token of an installation, in the format that GitHub moves to: `ghs_<app id>_<JWT>`, about 520 characters. */
  forInstallation(
    installation: GithubInstallation,
    permissions: GithubPermissions,
    repositoryIds: Set<number> | null,
  ): { token: string; expiresAt: Date } {
    const expiresAt = this.#now() + INSTALLATION_SECONDS;
    const claims = { iss: 'github', iid: installation.id, exp: expiresAt, jti: randomUUID() };
    const padding = randomBytes(100).toString('hex');
    const jwt = [
      { alg: 'HS256', typ: 'JWT' },
      { ...claims, p: padding },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = createHmac('sha256', this.#key).update(jwt).digest('base64url');
    const token = `ghs_${installation.app.id}_${jwt}.${signature}`;
    this.#tokens.set(token, { kind: 'installation', installation, permissions, repositoryIds, expiresAt });
    this.minted.push(token);
    return { token, expiresAt: new Date(expiresAt * 1000) };
  }

  /** A pair for a person who authorized the App. */
  forUser(user: GithubUser, app: GithubApp): UserGrant {
    const access_token = `ghu_${randomBytes(18).toString('hex')}`;
    const refresh_token = `ghr_${randomBytes(38).toString('hex')}`;
    this.#tokens.set(access_token, {
      kind: 'user',
      user,
      app,
      refreshToken: refresh_token,
      expiresAt: this.#now() + USER_SECONDS,
      refreshExpiresAt: this.#now() + REFRESH_SECONDS,
    });
    this.minted.push(access_token, refresh_token);
    return {
      access_token,
      expires_in: USER_SECONDS,
      refresh_token,
      refresh_token_expires_in: REFRESH_SECONDS,
      scope: '',
      token_type: 'bearer',
    };
  }

  /** A refresh token serves once: the old pair is dead when the new one is there. Null: it does not serve. */
  refresh(refreshToken: string, app: GithubApp): UserGrant | null {
    const [old, pair] = [...this.#tokens].find(
      ([, token]) => token.kind === 'user' && token.refreshToken === refreshToken,
    ) ?? [undefined, undefined];
    if (old === undefined || pair.kind !== 'user') return null;
    if (pair.app.id !== app.id || pair.refreshExpiresAt <= this.#now()) return null;
    this.#tokens.delete(old);
    return this.forUser(pair.user, app);
  }

  revoke(token: string): void {
    if (this.#tokens.delete(token)) this.revoked.push(token);
  }

  /** Ends every token a person gave an App, as its settings page does. */
  revokeUser(user: GithubUser, app: GithubApp): void {
    for (const [token, held] of this.#tokens) {
      if (held.kind === 'user' && held.user.id === user.id && held.app.id === app.id)
        this.#tokens.delete(token);
    }
  }

  /** Of a living token its holder; null for one that is unknown, ended, or of an installation that is. */
  holder(token: string): GithubCaller | null {
    const held = this.#tokens.get(token);
    if (!held || held.expiresAt <= this.#now()) return null;
    if (held.kind === 'user') return { by: 'user', user: held.user, app: held.app, token };
    const { installation, permissions, repositoryIds } = held;
    if (!this.world.installations.has(installation.id) || installation.suspendedAt !== null) return null;
    return { by: 'installation', installation, permissions, repositoryIds, token };
  }

  /** The App that signed a JWT. Throws 401, or 404 when there is no such App. */
  async signer(jwt: string): Promise<GithubApp> {
    const app = this.#issuer(jwt);
    if (!app) throw new GithubRefusal(404, 'Integration not found');
    const key = await importSPKI(app.publicKeyPem, 'RS256');
    const currentDate = this.clock.now();
    const { payload } = await jwtVerify(jwt, key, { algorithms: ['RS256'], currentDate }).catch(() => {
      throw new GithubRefusal(401, 'A JSON web token could not be decoded');
    });
    const { iat, exp } = payload;
    if (exp === undefined || exp > this.#now() + JWT_SECONDS)
      throw new GithubRefusal(401, "'Expiration time' claim ('exp') is too far in the future");
    if (iat === undefined || iat > this.#now() || exp - iat > JWT_SECONDS + 60)
      throw new GithubRefusal(
        401,
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
      );
    return app;
  }

  #issuer(jwt: string): GithubApp | undefined {
    try {
      const claims = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as {
        iss?: unknown;
      };
      return this.world.apps.get(Number(claims.iss)) ?? this.world.appByClient(String(claims.iss));
    } catch {
      throw new GithubRefusal(401, 'A JSON web token could not be decoded');
    }
  }

  #now(): number {
    return Math.floor(this.clock.now().getTime() / 1000);
  }
}
