import type { Readable } from 'node:stream';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { blockedSentence } from '../contracts/egress-sentences.js';
import { BerthError, forCause } from '../kernel/index.js';
import { CallRecord } from './call-record.js';
import { PrivateAddress } from './egress/destinations.js';
import { GitBody } from './git-body.js';
import { GitCredential } from './git-credential.js';
import { failedFetch, objectionTo, PushMalformed, refusedReport, type PushRequest } from './git-push.js';
import * as refusals from './git-refusals.js';
import type { GitOperation, GitRepository } from './git-repository.js';
import { answerHeaders, headerOf, type HeaderList } from './headers.js';
import { Hold } from './hold.js';
import { field } from './json.js';
import { basicOf, secretsOf, type HeldLease } from './leases.js';
import { drain, refuse, textFormat, type Refusal } from './refusal.js';
import type { RequestTarget } from './request-target.js';
import { relay, type CallOutcome } from './upstream-call.js';
import type { Workspace } from './workspace.js';

/** What git sends that means anything to a git server. All else stays here, credentials first of all. */
const FORWARDED = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'git-protocol',
  'pragma',
  'user-agent',
]);

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const NOT_FOUND = 404;

/** What is sent with a request: of an exchange its body, and of a push what it asks for. */
interface Sent {
  headers: HeaderList;
  body: Readable | null;
  push: PushRequest | null;
}

/**
 * One git request of a workspace. The socket itself is the identity: git sends no credential here, and the one of the repository's host is added, if there is one. What a push asks for is
 * judged before anything of it leaves.
 */
export class GitCall {
  readonly #body: GitBody;
  readonly #over = new AbortController();

  constructor(
    private readonly workspace: Workspace,
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
  ) {
    this.#body = new GitBody(request, workspace.context.limits.bodyTimeoutSeconds);
  }

  /** Answers the request. `target` is the whole path below the socket, `/git/…`, and its query. Throws what has no answer of its own (ClientGone, bugs). */
  async run(target: RequestTarget): Promise<void> {
    const { git } = this.workspace;
    if (!git) {
      this.#refuse(refusals.NO_REPOSITORY);
      return;
    }
    const operation = git.operation(this.request.method ?? '', target.path, target.query);
    if (!operation) {
      this.#refuse(refusals.NOT_ALLOWED);
      return;
    }
    if (operation.service === 'git-receive-pack' && git.pushRefs.length === 0) {
      this.#refuse(refusals.READ_ONLY);
      return;
    }
    const onClose = (): void => this.#over.abort();
    this.response.once('close', onClose);
    if (this.response.destroyed || this.response.closed) this.#over.abort();
    try {
      await this.#carryOut(git, operation);
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      this.#refuse(refusals.ofLease(error));
    } finally {
      this.response.off('close', onClose);
      this.#over.abort();
      this.#body.close();
    }
  }

  async #carryOut(git: GitRepository, operation: GitOperation): Promise<void> {
    const { leases, context } = this.workspace;
    const hold = new Hold(leases, 'git', context.limits, this.#over.signal);
    const credential = new GitCredential(this.workspace, git.host, hold);
    if (operation.step === 'advertise') return this.#advertise(git, operation, credential);
    const sent = await this.#open(git, operation);
    if (!sent) return;
    const lease = await credential.next();
    const outcome = await this.#relay(git, operation, sent, lease);
    if (lease) this.#tell(outcome, lease, credential);
    if (outcome.kind === 'withheld' && outcome.status === UNAUTHORIZED) this.#endExchange(sent, lease);
    else this.#conclude(outcome, credential);
  }

  /** Where a credential that is refused shows, before anything of the request is spent: it goes again with the next one. */
  async #advertise(git: GitRepository, operation: GitOperation, credential: GitCredential): Promise<void> {
    const sent = { headers: forwarded(this.request.rawHeaders, (name) => name.startsWith('content-')) };
    for (;;) {
      const lease = await credential.next();
      const send = (): Promise<CallOutcome> =>
        this.#relay(git, operation, { ...sent, body: null, push: null }, lease);
      let outcome = await send();
      if (outcome.kind === 'withheld' && this.#follows(git, operation, outcome.headers))
        outcome = await send();
      if (lease) this.#tell(outcome, lease, credential);
      const isRefused = outcome.kind === 'withheld' && outcome.status === UNAUTHORIZED;
      if (lease && isRefused) continue;
      this.#conclude(outcome, credential);
      return;
    }
  }

  /** The body of an exchange; null when it is a push that was answered here. */
  async #open(git: GitRepository, operation: GitOperation): Promise<Sent | null> {
    const { rawHeaders } = this.request;
    if (operation.service === 'git-upload-pack')
      return { headers: forwarded(rawHeaders), body: this.#body.open(), push: null };
    try {
      const { request: push, body } = await this.#body.openPush();
      const objection = objectionTo(push, git.pushRefs);
      if (objection !== null) {
        body.destroy();
        this.#refusePush(push, objection);
        return null;
      }
      // Its length and coding are those of what was sent to us.
      const isPlain = this.request.headers['content-encoding'] === undefined;
      const changed = (name: string): boolean =>
        !isPlain && (name === 'content-encoding' || name === 'content-length');
      return { headers: forwarded(rawHeaders, changed), body, push };
    } catch (error) {
      if (error instanceof PushMalformed) this.#refuse({ status: FORBIDDEN, message: error.message });
      else if (this.#body.isStalled) this.#refuse(refusals.STALLED);
      else if (!this.request.destroyed) throw error;
      return null;
    }
  }

  async #relay(
    git: GitRepository,
    { step, service }: GitOperation,
    { headers, body }: Sent,
    lease: HeldLease | null,
  ): Promise<CallOutcome> {
    const { calls, context } = this.workspace;
    const { limits, observers } = context;
    const advertise = step === 'advertise';
    if (lease?.repository !== undefined) git.isCalled(lease.repository);
    const send = async (): Promise<CallOutcome> => {
      const record = new CallRecord('git', observers, `git ${service}`);
      const outcome = await relay(
        git.target,
        {
          method: advertise ? 'GET' : 'POST',
          path: advertise ? `/info/refs?service=${service}` : `/${service}`,
          headers: lease ? [...headers, 'authorization', `Basic ${basicOf(lease.credential)}`] : headers,
          body,
        },
        this.response,
        {
          withhold: (status) =>
            status === UNAUTHORIZED ||
            (status === NOT_FOUND && advertise) ||
            (status >= 300 && status < 400 && status !== 304),
          filter: (answer) => answerHeaders(answer, ...(lease ? secretsOf(lease.credential) : [])),
          onHead: (status) => {
            record.head(status);
            return null;
          },
          maxWithheldBytes: limits.maxErrorBytes,
          withheldTimeoutSeconds: limits.withheldTimeoutSeconds,
        },
      );
      record.end(outcome);
      return outcome;
    };
    if (!lease) return send();
    const { credentialId, cause } = lease;
    this.workspace.cause = cause;
    const ended = calls.begin({ credentialId, cut: () => this.response.destroy() });
    return forCause(cause, send).finally(ended);
  }

  #follows(git: GitRepository, operation: GitOperation, headers: HeaderList): boolean {
    return git.follow(headerOf(headers, 'location'), operation.service);
  }

  /** What the git server's answer says of the credential. */
  #tell(outcome: CallOutcome, lease: HeldLease, credential: GitCredential): void {
    if (outcome.kind === 'withheld' && outcome.status === UNAUTHORIZED)
      credential.refused(lease, outcome.status);
    if (outcome.kind === 'relayed' && outcome.status === FORBIDDEN) credential.denied(lease, outcome.status);
  }

  #conclude(outcome: CallOutcome, credential: GitCredential): void {
    if (outcome.kind === 'withheld') {
      const { status } = outcome;
      if (status === UNAUTHORIZED) this.#refuse(refusals.loginWanted(credential.wasRefused));
      else if (status === NOT_FOUND) this.#refuse(refusals.NOT_THERE);
      else this.#refuse(refusals.redirected(status));
    }
    if (outcome.kind !== 'unreachable') return;
    if (this.#body.isStalled) return this.#refuse(refusals.STALLED);
    if (outcome.error instanceof PrivateAddress) {
      const blocked = { host: outcome.error.host, port: null, reason: 'private-address' } as const;
      this.workspace.blocked.tell(blocked);
      this.#refuse({ status: 403, message: blockedSentence(blocked) });
      return;
    }
    const code = field(outcome.error, 'code') ?? outcome.error.name;
    this.workspace.context.log.warn({ workspaceId: this.workspace.id, code }, 'git server gave no answer');
    this.#refuse(refusals.UNREACHABLE);
  }

  /** The advertisement was served and the exchange is not: in words that git shows, since nothing is left to send it again. */
  #endExchange({ push }: Sent, lease: HeldLease | null): void {
    const { message } = refusals.loginWanted(lease !== null);
    if (push) this.#refusePush(push, `${lowered(message)} Push again`);
    else this.#answer('git-upload-pack', failedFetch(`${message} Run the git command again.`));
  }

  #refusePush(push: PushRequest, reason: string): void {
    const report = refusedReport(push, reason);
    if (report) this.#answer('git-receive-pack', report);
    else this.#refuse({ status: FORBIDDEN, message: `${reason}.` });
  }

  #answer(service: GitOperation['service'], body: Buffer): void {
    const { response } = this;
    if (response.headersSent || response.destroyed) return;
    response.writeHead(200, {
      'content-type': `application/x-${service}-result`,
      'cache-control': 'no-cache',
      'content-length': body.length,
    });
    response.end(body);
    drain(this.request);
  }

  #refuse(refusal: Refusal): void {
    refuse(this.request, this.response, textFormat, refusal, this.workspace.context.ids.next());
  }
}

function lowered(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

function forwarded(raw: HeaderList, isLeftOut: (name: string) => boolean = () => false): HeaderList {
  const headers: HeaderList = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (!FORWARDED.has(name) || isLeftOut(name)) continue;
    headers.push(name, raw[i + 1] ?? '');
  }
  return headers;
}
