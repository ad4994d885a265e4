import { leaseSchema, proxyPaths, type Lease, type LeaseSecret, type LentFor } from '../contracts/proxy.js';
import {
  BerthError,
  messageOf,
  NO_CAUSE,
  Secret,
  type Cause,
  type Clock,
  type Log,
} from '../kernel/index.js';
import type { ControlPlane, ControlPlaneAnswer } from './control-plane.js';
import { field } from './json.js';

/** A credential in the proxy's memory. */
export interface HeldCredential {
  kind: LeaseSecret['kind'];
  secret: Secret;
  /** Of a ChatGPT login: the account that the request names beside the token. */
  accountId: string | null;
  /** Of an AWS key, whose secret signs: all else that its requests name. */
  aws: { accessKeyId: string; sessionToken: Secret | null; region: string } | null;
  /** Of a git token: the only host that it may be sent to, and the user name that goes with it. */
  git: { host: string; username: string } | null;
}

/** What of a credential must show up nowhere. */
export function secretsOf(credential: HeldCredential): string[] {
  const { secret, aws, git } = credential;
  const more = [
    ...(aws?.sessionToken ? [aws.sessionToken.reveal()] : []),
    ...(git ? [basicOf(credential)] : []),
  ];
  return [secret.reveal(), ...more];
}

/** A git token as Basic credentials (RFC 7617). */
export function basicOf({ secret, git }: HeldCredential): string {
  return Buffer.from(`${git?.username ?? ''}:${secret.reveal()}`).toString('base64');
}

export interface HeldLease {
  credentialId: string;
  generation: number;
  credential: HeldCredential;
  /** The turn that was under way when the lease was given. */
  cause: Cause;
  /** Calls with it use a budget: it is good for one, and not kept. */
  budgeted?: boolean;
  /** For git: how the repository is called by now, where that is known to be otherwise than its route. */
  repository?: string | undefined;
}

interface Cached {
  lease: HeldLease;
  /** Epoch milliseconds. */
  expiresAt: number;
}

/** What the cache knows of one upstream (or git). */
interface Slot {
  cached: Cached | null;
  /** The newest request for a lease. One that was begun before a refusal or a `forget` stands here no more: it serves those who wait for it, and is not kept. */
  flight: Promise<HeldLease> | null;
  /** The newest generation that was refused, by credential. */
  readonly refused: Map<string, number>;
  /** Ends when the control plane knows of the last refusal. */
  told: Promise<unknown>;
}

export interface LeaseOptions {
  workspaceId: string;
  /** The workspace's proxy token, which may be replaced. */
  token: () => Secret;
  controlPlane: Pick<ControlPlane, 'post'>;
  clock: Clock;
  log: Log;
}

/** The longest wait for the report of a refusal before a new lease is asked for all the same. */
const TELL_MILLISECONDS = 5000;
const DEFAULT_RETRY_SECONDS = 2;
const MAX_RETRY_SECONDS = 120;
const MAX_DETAIL_LENGTH = 1000;

/** The leases of one workspace: asked for once at a time per upstream, kept until they end or are refused. */
export class LeaseCache {
  readonly #slots = new Map<LentFor, Slot>();

  constructor(private readonly options: LeaseOptions) {}

  /**
   * The lease to use now. Throws BerthError: `forbidden` (the workspace is not running, or works for nobody any more), `no-agent-credential` (with the control plane's
   * sentence), `no-git-credential`, `not-ready` (for the moment, with `retryAfterSeconds`).
   */
  get(upstream: LentFor): Promise<HeldLease> {
    const slot = this.#slot(upstream);
    if (slot.cached && slot.cached.expiresAt > this.options.clock.now().getTime()) {
      return Promise.resolve(slot.cached.lease);
    }
    return slot.flight ?? this.#begin(upstream, slot);
  }

  /** As `get`, and asked for from now on: neither one that is kept nor one that is on its way. */
  fresh(upstream: LentFor): Promise<HeldLease> {
    return this.#begin(upstream, this.#slot(upstream));
  }

  /**
   * Forgets a lease whose credential was refused. `told` is the delivery of the report about it: the next lease is asked for after that, since a
   * control plane that does not know of the refusal yet would lease the same credential again.
   */
  refused(upstream: LentFor, { credentialId, generation }: HeldLease, told: Promise<unknown>): void {
    const slot = this.#slot(upstream);
    slot.told = told;
    // Known: whoever asks for a lease by now asks for the next one, and a hundred calls with one refused credential shall not ask a hundred times.
    if (generation <= (slot.refused.get(credentialId) ?? 0)) return;
    slot.refused.set(credentialId, generation);
    slot.flight = null;
    // A newer credential may have come in meanwhile; it has not been refused.
    if (slot.cached && isRefused(slot, slot.cached.lease)) slot.cached = null;
  }

  /** Forgets what is held of one credential: there is a newer generation, or none any more. */
  forget(credentialId: string): void {
    for (const slot of this.#slots.values()) {
      if (slot.cached?.lease.credentialId === credentialId) slot.cached = null;
      slot.flight = null;
    }
  }

  /** Forgets every lease; also one that is being asked for now is used by its waiters alone. */
  clear(): void {
    this.#slots.clear();
  }

  #slot(upstream: LentFor): Slot {
    let slot = this.#slots.get(upstream);
    if (!slot) {
      slot = { cached: null, flight: null, refused: new Map(), told: Promise.resolve() };
      this.#slots.set(upstream, slot);
    }
    return slot;
  }

  #begin(upstream: LentFor, slot: Slot): Promise<HeldLease> {
    slot.cached = null;
    const flight = this.#fetch(upstream, slot)
      .then(({ lease, expiresAt }) => {
        if (slot.flight === flight && !isRefused(slot, lease) && !lease.budgeted)
          slot.cached = { lease, expiresAt };
        return lease;
      })
      .finally(() => {
        if (slot.flight === flight) slot.flight = null;
      });
    slot.flight = flight;
    return flight;
  }

  async #fetch(upstream: LentFor, slot: Slot): Promise<Cached> {
    await within(slot.told, TELL_MILLISECONDS);
    const lease = await this.#ask(upstream);
    return { lease: hold(lease), expiresAt: Date.parse(lease.expiresAt) };
  }

  async #ask(upstream: LentFor): Promise<Lease> {
    const { controlPlane, token, log, workspaceId } = this.options;
    let answer: ControlPlaneAnswer;
    try {
      answer = await controlPlane.post(proxyPaths.lease, token(), { upstream });
    } catch (error) {
      log.warn({ workspaceId, upstream, reason: messageOf(error) }, 'control plane unreachable, no lease');
      throw notReady(null);
    }
    if (answer.status >= 200 && answer.status < 300) {
      const lease = leaseSchema.safeParse(answer.body);
      if (lease.success) return lease.data;
      // Only the paths of what is wrong: the message itself holds a secret.
      const paths = lease.error.issues.map((issue) => issue.path.join('.'));
      log.error({ workspaceId, upstream, paths }, 'control plane answered with an unreadable lease');
      throw notReady(null);
    }
    log.warn({ workspaceId, upstream, status: answer.status }, 'no lease');
    throw refusalOf(answer);
  }
}

function isRefused(slot: Slot, { credentialId, generation }: HeldLease): boolean {
  return generation <= (slot.refused.get(credentialId) ?? 0);
}

function hold(lease: Lease): HeldLease {
  const { credentialId, generation, cause = NO_CAUSE, budgeted = false, repository } = lease;
  return { credentialId, generation, credential: heldOf(lease.secret), cause, budgeted, repository };
}

function heldOf(secret: LeaseSecret): HeldCredential {
  const { kind } = secret;
  if (secret.kind === 'aws_bedrock') {
    const { accessKeyId, sessionToken, region } = secret;
    const aws = {
      accessKeyId,
      sessionToken: sessionToken === null ? null : new Secret(sessionToken),
      region,
    };
    return { kind, secret: new Secret(secret.secretAccessKey), accountId: null, aws, git: null };
  }
  return {
    kind,
    secret: new Secret('token' in secret ? secret.token : secret.apiKey),
    accountId: 'accountId' in secret ? secret.accountId : null,
    aws: null,
    git: secret.kind === 'git_token' ? { host: secret.host, username: secret.username } : null,
  };
}

function refusalOf(answer: ControlPlaneAnswer): BerthError {
  if (answer.status === 403 && field(answer.body, 'code') === 'budget-spent')
    return new BerthError('budget-spent', sentenceOf(answer) ?? 'A budget of this workspace is spent.');
  const code = field(answer.body, 'code');
  // Asleep, or who asked is a member no more: the control plane knows which.
  if (answer.status === 403 && code === 'forbidden') return notRunning(sentenceOf(answer));
  if (answer.status === 401 || answer.status === 403) return notRunning();
  if (answer.status !== 409) return notReady(answer.retryAfterSeconds);
  if (code === 'no-git-credential') return noGitCredential();
  if (code !== undefined && code !== 'no-agent-credential') return notRunning();
  const message =
    sentenceOf(answer) ??
    'There is no usable credential for this agent: "berth credentials explain" says what is missing.';
  return new BerthError('no-agent-credential', message);
}

/** What the control plane has to say to people. */
function sentenceOf({ body }: ControlPlaneAnswer): string | null {
  const detail = field(body, 'detail');
  return typeof detail === 'string' && detail !== '' ? detail.slice(0, MAX_DETAIL_LENGTH) : null;
}

function noGitCredential(): BerthError {
  return new BerthError('no-git-credential', 'There is no git token for the host of this repository.');
}

function notRunning(sentence: string | null = null): BerthError {
  return new BerthError(
    'forbidden',
    sentence ?? 'This workspace is not running, so its agent has no credential. Wake it in Berth.',
  );
}

function notReady(retryAfterSeconds: number | null): BerthError {
  return new BerthError(
    'not-ready',
    'Berth could not provide the credential at the moment. Try again in a few seconds.',
    {
      retryAfterSeconds: Math.min(retryAfterSeconds ?? DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS),
    },
  );
}

/** Waits for a promise, but no longer than so many milliseconds. */
async function within(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds)));
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}
