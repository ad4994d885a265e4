import { randomBytes } from 'node:crypto';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose';
import { systemClock, type Clock } from '../../src/kernel/index.js';
import { playFailure, readBody, sendJson } from './answers.js';
import type { AwsKey } from './bedrock-keys.js';
import type { Emulator, EmulatorOptions } from './emulator.js';
import type { Exchange } from './exchange.js';
import { EmulatorServer } from './server.js';

export interface CloudExchangeOptions extends EmulatorOptions {
  /** Whose tokens are believed. */
  issuer: { url: string; jwksUrl: string; subject: string };
  /** How long what is given lives. */
  seconds?: number;
  /** Told of each key before its owner is. */
  gave?: (key: AwsKey) => void;
  /** The same of each token of Google's that is good for models. */
  gaveGoogle?: (token: string) => void;
}

/** Where Azure, AWS and Google give something for a token that says who somebody is (providers.md 2.6), all behind one address. */
export interface CloudExchange extends Emulator {
  /** All tokens of Azure and keys of AWS that were given, newest last. */
  readonly azureTokens: readonly string[];
  readonly awsKeys: readonly AwsKey[];
  /** Of Google: federated ones, and those of the service account. */
  readonly googleTokens: readonly string[];
  /** `AWF_AUTH_AZURE_TOKEN_URL` of the one tenant. */
  readonly azureUrl: string;
  readonly seconds: number;
}

export const AZURE_CLIENT = '00000000-0000-4000-8000-00000000000c';
export const GOOGLE_PROVIDER = 'projects/1/locations/global/workloadIdentityPools/pool/providers/github';
export const GOOGLE_ACCOUNT = 'agents@acme.iam.gserviceaccount.com';
export const AWS_ROLE = 'arn:aws:iam::123456789012:role/agents';
const AZURE_PATH = '/00000000-0000-4000-8000-00000000000d/oauth2/v2.0/token';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const SCOPE = 'https://cognitiveservices.azure.com/.default';

export async function startCloudExchange(options: CloudExchangeOptions): Promise<CloudExchange> {
  const server = new CloudServer(options);
  await server.listen(options.port ?? 0);
  return server;
}

class CloudServer extends EmulatorServer<null> implements CloudExchange {
  readonly azureTokens: string[] = [];
  readonly awsKeys: AwsKey[] = [];
  readonly googleTokens: string[] = [];
  readonly seconds: number;
  readonly #time: Clock;

  constructor(private readonly options: CloudExchangeOptions) {
    super(options, (exchange) => this.#answer(exchange), null);
    this.seconds = options.seconds ?? 3600;
    this.#time = options.clock ?? systemClock;
  }

  get azureUrl(): string {
    return this.url + AZURE_PATH;
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { entry, request } = exchange;
    const text = await readBody(request);
    const form = new URLSearchParams(text);
    const failure = this.failures.take(entry, true);
    if (failure && playFailure(exchange, failure, { message: 'Service Unavailable' })) return;
    if (entry.path.startsWith('/v1/')) {
      await this.#google(exchange, JSON.parse(text) as Record<string, unknown>);
      return;
    }
    const isForm = request.headers['content-type'] === 'application/x-www-form-urlencoded';
    const call = `${entry.method} ${entry.path}`;
    if (!isForm || entry.query !== '') sendJson(exchange, 400, { error: 'invalid_request' });
    else if (call === `POST ${AZURE_PATH}`) await this.#azure(exchange, form);
    else if (call === 'POST /') await this.#aws(exchange, form);
    else sendJson(exchange, 404, {});
  }

  /** A client without a secret, whose assertion is the identity. */
  async #azure(exchange: Exchange, form: URLSearchParams): Promise<void> {
    const known =
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_assertion_type') === ASSERTION &&
      form.get('scope') === SCOPE;
    const claims = await this.#claimsOf(form.get('client_assertion'), 'api://AzureADTokenExchange');
    if (!known) {
      sendJson(exchange, 400, { error: 'invalid_request', error_codes: [900144] });
    } else if (form.get('client_id') !== AZURE_CLIENT || !claims) {
      const told = `AADSTS700213: No matching federated identity record found for ${String(form.get('client_assertion'))}`;
      sendJson(exchange, 401, { error: 'invalid_client', error_description: told, error_codes: [700213] });
    } else {
      const token = `eyJ.azure.${randomBytes(24).toString('base64url')}`;
      this.azureTokens.push(token);
      sendJson(exchange, 200, { token_type: 'Bearer', expires_in: this.seconds, access_token: token });
    }
  }

  /** The token of the identity itself may speak for the service account; models are for either. */
  async #google(exchange: Exchange, sent: Record<string, unknown>): Promise<void> {
    const { entry } = exchange;
    const account = `/v1/projects/-/serviceAccounts/${encodeURIComponent(GOOGLE_ACCOUNT)}:generateAccessToken`;
    const token = `ya29.${randomBytes(24).toString('base64url')}`;
    if (entry.path === '/v1/token') {
      const claims = await this.#claimsOf(String(sent.subject_token), GOOGLE_PROVIDER);
      const isRight =
        sent.audience === `//iam.googleapis.com/${GOOGLE_PROVIDER}` &&
        sent.grant_type === 'urn:ietf:params:oauth:grant-type:token-exchange' &&
        sent.subject_token_type === 'urn:ietf:params:oauth:token-type:jwt';
      if (!claims || !isRight) {
        sendJson(exchange, 400, { error: 'invalid_grant', error_description: String(sent.subject_token) });
        return;
      }
      this.#giveGoogle(token);
      sendJson(exchange, 200, { access_token: token, token_type: 'Bearer', expires_in: this.seconds });
    } else if (entry.path === account && this.googleTokens.includes(entry.credential.value)) {
      this.#giveGoogle(token);
      const expireTime = new Date(this.#time.now().getTime() + this.seconds * 1000).toISOString();
      sendJson(exchange, 200, { accessToken: token, expireTime });
    } else {
      sendJson(exchange, 403, { error: { code: 403, message: 'told', status: 'PERMISSION_DENIED' } });
    }
  }

  #giveGoogle(token: string): void {
    this.googleTokens.push(token);
    this.options.gaveGoogle?.(token);
  }

  async #aws(exchange: Exchange, form: URLSearchParams): Promise<void> {
    const claims = await this.#claimsOf(form.get('WebIdentityToken'), 'sts.amazonaws.com');
    const isKnown =
      form.get('Action') === 'AssumeRoleWithWebIdentity' && form.get('Version') === '2011-06-15';
    if (!isKnown) sendJson(exchange, 400, awsError('InvalidAction'));
    else if (!claims) sendJson(exchange, 400, awsError('InvalidIdentityToken'));
    else if (form.get('RoleArn') !== AWS_ROLE) sendJson(exchange, 403, awsError('AccessDenied'));
    else sendJson(exchange, 200, this.#assumed());
  }

  #assumed(): object {
    const key = {
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(90).toString('base64'),
    };
    this.awsKeys.push(key);
    this.options.gave?.(key);
    return {
      AssumeRoleWithWebIdentityResponse: {
        AssumeRoleWithWebIdentityResult: {
          Credentials: {
            AccessKeyId: key.accessKeyId,
            SecretAccessKey: key.secretAccessKey,
            SessionToken: key.sessionToken,
            Expiration: this.#time.now().getTime() / 1000 + this.seconds,
          },
          AssumedRoleUser: { Arn: AWS_ROLE },
        },
        ResponseMetadata: { RequestId: 'emulated' },
      },
    };
  }

  /** Null for a token that is not believed. */
  async #claimsOf(token: string | null, audience: string): Promise<JWTPayload | null> {
    const { url, jwksUrl, subject } = this.options.issuer;
    try {
      const keys = (await (await fetch(jwksUrl)).json()) as JSONWebKeySet;
      const expected = { issuer: url, audience, subject, currentDate: this.#time.now() };
      return (await jwtVerify(token ?? '', createLocalJWKSet(keys), expected)).payload;
    } catch {
      return null;
    }
  }
}

function awsError(code: string): object {
  return { Error: { Code: code, Message: `told: ${code}`, Type: 'Sender' }, RequestId: 'emulated' };
}
