import { Inject, Injectable } from '@nestjs/common';
import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';
import { Audit, systemActor, type NewEntry } from '../../audit/index.js';
import type { Discovery, IssuerView, Jwks } from '../../contracts/index.js';
import { SystemStore, type IssuerKeyRow, type NewIssuerKey } from '../../database/index.js';
import { PublicUrl } from '../../http/index.js';
import { auditedPerson, type Person } from '../../identity/index.js';
import { BerthError, LOG, World, type Log } from '../../kernel/index.js';
import { FederationSettings } from '../providers/federation.js';
import { Vault } from '../vault.js';
import { claimsOf } from './assertion.js';
import {
  AHEAD_SECONDS,
  isNextDue,
  keysThatAreOver,
  publishedKeys,
  signingKey,
  waitingKey,
} from './issuer-key.js';
import { placeOfKey } from './sealed-issuer-keys.js';

const ALGORITHM = 'ES256';

/** Says, signed, which workspace of which organization somebody is; and how that is checked. One set of keys for all processes, made when it is first needed. */
@Injectable()
export class Issuer {
  #first: Promise<unknown> | null = null;

  constructor(
    private readonly system: SystemStore,
    private readonly vault: Vault,
    private readonly audit: Audit,
    private readonly publicUrl: PublicUrl,
    private readonly settings: FederationSettings,
    private readonly world: World,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** The name under which it signs: where people reach this Berth. Throws `not-ready` in a process that was not told. */
  get url(): string {
    if (!this.publicUrl.isKnown)
      throw new BerthError(
        'not-ready',
        'This worker does not know the address of Berth, which is its name as an issuer. Set BERTH_PUBLIC_URL to the same address for every process.',
      );
    return this.publicUrl.url.replace(/\/+$/, '');
  }

  discovery(): Discovery {
    const issuer = this.url;
    return {
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [ALGORITHM],
      claims_supported: ['iss', 'aud', 'sub', 'iat', 'exp', 'jti'],
    };
  }

  async jwks(): Promise<Jwks> {
    return jwksOf(publishedKeys(await this.keys(), this.world.clock.now()));
  }

  /** An assertion about one workspace, good for minutes and once. Throws `encryption-key-missing` and `not-ready`. */
  async assert(workspace: { organizationId: string; workspaceId: string }): Promise<string> {
    const now = this.world.clock.now();
    const key = signingKey(await this.keys(), now);
    const sealed = key && (await this.system.issuerKeys.sealed(key.id));
    if (!key || sealed === null)
      throw new BerthError('internal', 'The key that signs was removed in this moment.');
    const jwk = JSON.parse(await this.vault.open(sealed, placeOfKey(key.id))) as JWK;
    const { audience } = this.settings;
    const terms = { ...workspace, issuer: this.url, audience, id: this.world.ids.next() };
    return new SignJWT({ ...claimsOf(terms, now) })
      .setProtectedHeader({ alg: ALGORITHM, kid: key.id, typ: 'JWT' })
      .sign(await importJWK(jwk, ALGORITHM));
  }

  /** Makes the next key now; answers what there is then. */
  async rotate(person: Person, aheadSeconds: number): Promise<IssuerView> {
    const now = this.world.clock.now();
    const keys = await this.system.issuerKeys.list();
    if (waitingKey(keys, now)) return this.view(keys, now);
    const next = await this.next(keys, now, keys.length === 0 ? 0 : aheadSeconds, auditedPerson(person));
    // Somebody else's, of this moment, serves as well.
    return this.view(next ? [...keys, next] : await this.system.issuerKeys.list(), now);
  }

  /** For the sweep: the next key when it is time, and the end of those that nobody needs. */
  async keepUp(): Promise<void> {
    const now = this.world.clock.now();
    const keys = await this.system.issuerKeys.list();
    if (keys.length === 0) return;
    const over = keysThatAreOver(keys, now).map(({ id }) => id);
    if (over.length > 0) await this.system.issuerKeys.remove(over);
    if (isNextDue(keys, now, this.settings.keyDays))
      await this.next(keys, now, AHEAD_SECONDS, systemActor('issuer'));
  }

  /** All of them, and at least one. */
  private async keys(): Promise<IssuerKeyRow[]> {
    const keys = await this.system.issuerKeys.list();
    if (keys.length > 0) return keys;
    // One at a time: each would hold a connection while it waits for who is first.
    this.#first ??= this.next([], this.world.clock.now(), 0, systemActor('issuer')).finally(
      () => (this.#first = null),
    );
    await this.#first;
    return this.system.issuerKeys.list();
  }

  /** Null when another process was first. */
  private async next(
    before: IssuerKeyRow[],
    now: Date,
    aheadSeconds: number,
    actor: NewEntry['actor'],
  ): Promise<IssuerKeyRow | null> {
    const ordinal = (before.at(-1)?.ordinal ?? 0) + 1;
    const key = await this.make(ordinal, now, new Date(now.getTime() + aheadSeconds * 1000));
    // Known before there is a transaction, which holds others up and may find no further connection.
    await this.audit.instanceChain();
    const isOurs = await this.system.issuerKeys.add(key, (db) =>
      this.audit.appendToInstance(db, {
        action: 'issuer.key-made',
        actor,
        subject: { type: 'issuer-key', id: key.id, name: null },
        details: { signsFrom: key.signsFrom.toISOString() },
      }),
    );
    if (!isOurs) return null;
    this.log.info({ key: key.id, signsFrom: key.signsFrom }, 'there is a new key for identity tokens');
    return key;
  }

  private async make(ordinal: number, createdAt: Date, signsFrom: Date): Promise<NewIssuerKey> {
    const id = this.world.ids.next();
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const { kty = '', crv = '', x = '', y = '' } = await exportJWK(publicKey);
    const { text: sealed, keyId } = await this.vault.seal(
      JSON.stringify(await exportJWK(privateKey)),
      placeOfKey(id),
    );
    const publicJwk = { kty, crv, x, y, kid: id, alg: ALGORITHM, use: 'sig' };
    return { id, ordinal, publicJwk, sealed, keyId, createdAt, signsFrom };
  }

  private view(keys: IssuerKeyRow[], now: Date): IssuerView {
    const published = publishedKeys(keys, now);
    const signing = signingKey(keys, now);
    return {
      issuer: this.url,
      keys: published.map(({ id, ordinal, createdAt, signsFrom }) => ({
        id,
        state: id === signing?.id ? 'signing' : ordinal > (signing?.ordinal ?? 0) ? 'waiting' : 'retiring',
        createdAt: createdAt.toISOString(),
        signsFrom: signsFrom.toISOString(),
      })),
      jwks: jwksOf(published),
    };
  }
}

/** By name, so that nothing else of a row can get there. */
function jwksOf(keys: IssuerKeyRow[]): Jwks {
  return {
    keys: keys.map(({ publicJwk: { x, y, kid } }) => ({
      kty: 'EC',
      crv: 'P-256',
      x,
      y,
      kid,
      alg: ALGORITHM,
      use: 'sig',
    })),
  };
}
