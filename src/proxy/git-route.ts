import { PassThrough, type Readable } from 'node:stream';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { blockedSentence } from '../contracts/egress-sentences.js';
import { CallRecord } from './call-record.js';
import { PrivateAddress } from './egress/destinations.js';
import { answerHeaders, headerOf, type HeaderList } from './headers.js';
import type { GitOperation, GitRepository } from './git-repository.js';
import { field } from './json.js';
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

/**
 * One git request of a workspace. The socket itself is the identity: git sends no credential here, and for now none is added. A push enters at
 * `#openBody`, the one place where what it writes can be looked at before it leaves.
 */
export class GitCall {
  #closeBody: () => void = () => undefined;
  #stalled = false;

  constructor(
    private readonly workspace: Workspace,
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
  ) {}

  /** Answers the request. `target` is the whole path below the socket, `/git/…`, and its query. */
  async run(target: RequestTarget): Promise<void> {
    const { git } = this.workspace;
    if (!git) {
      this.#refuse(NO_REPOSITORY);
      return;
    }
    const operation = git.operation(this.request.method ?? '', target.path, target.query);
    if (!operation) {
      this.#refuse(NOT_ALLOWED);
      return;
    }
    try {
      await this.#carryOut(git, operation);
    } finally {
      this.#closeBody();
    }
  }

  async #carryOut(git: GitRepository, operation: GitOperation): Promise<void> {
    let outcome = await this.#relay(git, operation);
    if (
      outcome.kind === 'withheld' &&
      operation.step === 'advertise' &&
      this.#follows(git, operation, outcome.headers)
    ) {
      outcome = await this.#relay(git, operation);
    }
    this.#conclude(outcome);
  }

  async #relay(git: GitRepository, operation: GitOperation): Promise<CallOutcome> {
    const { limits, observers } = this.workspace.context;
    const advertise = operation.step === 'advertise';
    const record = new CallRecord('git', observers, `git ${operation.service}`);
    const outcome = await relay(
      git.target,
      {
        method: advertise ? 'GET' : 'POST',
        path: advertise ? `/info/refs?service=${operation.service}` : `/${operation.service}`,
        headers: forwarded(this.request.rawHeaders, advertise),
        body: advertise ? null : this.#openBody(),
      },
      this.response,
      {
        withhold: (status) => status >= 300 && status < 400 && status !== 304,
        filter: (answer) => answerHeaders(answer),
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
  }

  #follows(git: GitRepository, operation: GitOperation, headers: HeaderList): boolean {
    return git.follow(headerOf(headers, 'location'), operation.service);
  }

  /**
   * The request's body as a stream of its own: undici destroys the stream it is given when a call fails, and with the request itself it would take
   * the connection away before we can say what happened.
   */
  #openBody(): Readable {
    const { request } = this;
    const body = new PassThrough();
    const idle = this.workspace.context.limits.bodyTimeoutSeconds * 1000;
    const timer = setTimeout(() => {
      this.#stalled = true;
      body.destroy(new Error('The client stopped sending.'));
    }, idle);
    const refresh = (): void => void timer.refresh();
    // A body that was cut off must not reach the upstream as one that ended.
    const cut = (): void => {
      if (!request.complete) body.destroy(new Error('The client closed its connection.'));
    };
    request.on('data', refresh).once('close', cut);
    // undici listens only while a call runs; an error after it must not end the process.
    body.on('error', () => undefined);
    body.once('close', () => clearTimeout(timer));
    request.once('end', () => clearTimeout(timer));
    this.#closeBody = () => {
      request.off('data', refresh).off('close', cut).unpipe(body);
      body.destroy();
      // The git server may have answered without reading all of it.
      drain(request);
    };
    return request.pipe(body);
  }

  #conclude(outcome: CallOutcome): void {
    if (outcome.kind === 'withheld') this.#refuse(redirected(outcome.status));
    if (outcome.kind !== 'unreachable') return;
    if (this.#stalled) {
      this.#refuse(STALLED);
      return;
    }
    if (outcome.error instanceof PrivateAddress) {
      const blocked = { host: outcome.error.host, port: null, reason: 'private-address' } as const;
      this.workspace.blocked.tell(blocked);
      this.#refuse({ status: 403, message: blockedSentence(blocked) });
      return;
    }
    const code = field(outcome.error, 'code') ?? outcome.error.name;
    this.workspace.context.log.warn({ workspaceId: this.workspace.id, code }, 'git server gave no answer');
    this.#refuse(UNREACHABLE);
  }

  #refuse(refusal: Refusal): void {
    refuse(this.request, this.response, textFormat, refusal, this.workspace.context.ids.next());
  }
}

function forwarded(raw: HeaderList, withoutBody: boolean): HeaderList {
  const headers: HeaderList = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    if (!FORWARDED.has(name) || (withoutBody && name.startsWith('content-'))) continue;
    headers.push(name, raw[i + 1] ?? '');
  }
  return headers;
}

const NO_REPOSITORY: Refusal = {
  status: 403,
  message:
    "This workspace's repository is not reached over https, so there is nothing to fetch from or push to here.",
};

const NOT_ALLOWED: Refusal = {
  status: 403,
  message:
    "Only fetching from and pushing to this workspace's own repository is allowed through Berth's proxy.",
};

const STALLED: Refusal = {
  status: 408,
  message: 'The request body stopped arriving. Run the git command again.',
};

const UNREACHABLE: Refusal = {
  status: 502,
  message: "Berth's proxy got no answer from the git server. Try again in a moment.",
};

function redirected(status: number): Refusal {
  return {
    status: 502,
    message: `The git server redirects elsewhere (${status}), and Berth does not follow. Give the workspace the repository's current URL.`,
  };
}
