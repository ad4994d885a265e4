import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { systemClock, type Clock } from '../../src/kernel/index.js';
import { playFailure, sendJson } from './answers.js';
import type { Emulator, EmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import { EmulatorServer } from './server.js';

/** What a job of GitHub Actions is given to ask for tokens that say which job it is (providers.md 3). */
export interface GithubOidcEmulator extends Emulator {
  /** `ACTIONS_ID_TOKEN_REQUEST_URL`: it has a query. */
  readonly requestUrl: string;
  /** `ACTIONS_ID_TOKEN_REQUEST_TOKEN`. */
  readonly requestToken: string;
  readonly jwksUrl: string;
  /** All tokens that were minted, to be looked for where they must not be. */
  readonly minted: readonly string[];
  readonly subject: string;
  /** One more, as though a job had asked. */
  mint(audience: string): Promise<string>;
}

const KEY_ID = 'emulated-1';
const LIFE_SECONDS = 300;

/** Starts GitHub's token service on loopback. It refuses a call without its bearer (401) and one that names no audience (400). */
export async function startGithubOidcEmulator(options: EmulatorOptions = {}): Promise<GithubOidcEmulator> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: 'RS256', use: 'sig' };
  const server = new GithubOidc(options, privateKey, jwk);
  await server.listen(options.port ?? 0);
  return server;
}

class GithubOidc extends EmulatorServer<null> implements GithubOidcEmulator {
  readonly requestToken = `request-token-${randomUUID()}`;
  readonly subject = 'repo:acme@1/widget@2:ref:refs/heads/main';
  readonly minted: string[] = [];
  readonly #now: Clock;

  constructor(
    options: EmulatorOptions,
    private readonly key: CryptoKey,
    private readonly jwk: JWK,
  ) {
    super(options, (exchange) => this.#answer(exchange), null);
    this.#now = options.clock ?? systemClock;
  }

  get requestUrl(): string {
    return `${this.url}/token?api-version=2.0`;
  }

  get jwksUrl(): string {
    return `${this.url}/.well-known/jwks`;
  }

  async mint(audience: string): Promise<string> {
    const seconds = Math.floor(this.#now.now().getTime() / 1000);
    const token = await new SignJWT({ repository: 'acme/widget', repository_id: '2' })
      .setProtectedHeader({ alg: 'RS256', kid: KEY_ID })
      .setIssuer(this.url)
      .setSubject(this.subject)
      .setAudience(audience)
      .setJti(randomUUID())
      .setNotBefore(seconds - 600)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + LIFE_SECONDS)
      .sign(this.key);
    this.minted.push(token);
    return token;
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { entry } = exchange;
    if (entry.path === '/.well-known/jwks') {
      sendJson(exchange, 200, { keys: [this.jwk] });
      return;
    }
    const failure = this.failures.take(entry, true);
    if (failure && playFailure(exchange, failure, { message: 'Service Unavailable' })) return;
    const query = new URLSearchParams(entry.query);
    const audience = query.get('audience');
    if (entry.method !== 'GET' || entry.path !== '/token' || query.get('api-version') !== '2.0') {
      sendJson(exchange, 404, { message: 'Not Found' });
    } else if (entry.credential.kind !== 'bearer' || entry.credential.value !== this.requestToken) {
      sendJson(exchange, 401, { message: 'Unauthorized' });
    } else if (!audience) {
      sendJson(exchange, 400, { message: 'audience is missing' });
    } else {
      sendJson(exchange, 200, { count: 1, value: await this.mint(audience) });
    }
  }
}
