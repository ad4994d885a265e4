import * as http from 'node:http';
import { currentCause } from '../kernel/cause.js';
import type {
  ClaimedTurn,
  CommandsAnswer,
  ReportAnswer,
  RunnerAssignment,
  RunnerHello,
  RunnerItem,
} from '../contracts/runner.js';
import type { Timer } from './timer.js';
import { assignmentOf, claimedTurnOf, commandsOf, reportAnswerOf } from './answers.js';
import { ControlPlaneUnavailable, RunnerDismissed } from './control-plane-errors.js';
import { paths } from './wire.js';

export interface ControlPlaneOptions {
  /** Base URL, `http:` or `https:`. */
  internalUrl: string;
  /** Bearer token of this workspace's runner. */
  token: string;
  runnerId: string;
  timer: Timer;
}

/** What a control plane can be asked. Every call throws RunnerDismissed or ControlPlaneUnavailable, and nothing else. */
export interface ControlPlane {
  hello(pid: number, signal: AbortSignal): Promise<RunnerAssignment>;
  /** Waits up to `waitSeconds` for a turn; null when there is none. */
  claim(waitSeconds: number, signal: AbortSignal): Promise<ClaimedTurn | null>;
  report(items: readonly RunnerItem[], signal: AbortSignal): Promise<ReportAnswer>;
  /** Heartbeat and long poll. `canceling`: turns whose cancel is known already. */
  commands(waitSeconds: number, canceling: readonly string[], signal: AbortSignal): Promise<CommandsAnswer>;
  /** Milliseconds since a control plane last answered (since the start, before the first answer). */
  silentMilliseconds(): number;
}

interface Answer {
  status: number;
  text: string;
}

const CALL_SECONDS = 15;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The control plane over HTTP, on node:http since undici (and with it `fetch`) costs over 10 MB of memory in every runner (measured). */
export class HttpControlPlane implements ControlPlane {
  readonly #agent: http.Agent;
  #request: typeof http.request;
  #lastAnswer: number;

  private constructor(
    private readonly options: ControlPlaneOptions,
    transport: Pick<typeof http, 'request' | 'Agent'>,
  ) {
    this.#agent = new transport.Agent({ keepAlive: true, maxSockets: 4 });
    this.#request = transport.request;
    this.#lastAnswer = options.timer.now();
  }

  static async create(options: ControlPlaneOptions): Promise<HttpControlPlane> {
    const secure = new URL(options.internalUrl).protocol === 'https:';
    // TLS is loaded only where it is used: it costs memory in every runner.
    return new HttpControlPlane(options, secure ? await import('node:https') : http);
  }

  async hello(pid: number, signal: AbortSignal): Promise<RunnerAssignment> {
    const body: RunnerHello = { runnerId: this.options.runnerId, pid };
    return assignmentOf(await this.#call(paths.hello, body, 0, signal));
  }

  async claim(waitSeconds: number, signal: AbortSignal): Promise<ClaimedTurn | null> {
    const answer = await this.#call(
      paths.claim,
      { runnerId: this.options.runnerId, waitSeconds },
      waitSeconds,
      signal,
    );
    return answer === null ? null : claimedTurnOf(answer);
  }

  async report(items: readonly RunnerItem[], signal: AbortSignal): Promise<ReportAnswer> {
    return reportAnswerOf(
      await this.#call(paths.report, { runnerId: this.options.runnerId, items }, 0, signal),
    );
  }

  async commands(
    waitSeconds: number,
    canceling: readonly string[],
    signal: AbortSignal,
  ): Promise<CommandsAnswer> {
    const body = { runnerId: this.options.runnerId, waitSeconds, canceling };
    return commandsOf(await this.#call(paths.commands, body, waitSeconds, signal));
  }

  silentMilliseconds(): number {
    return this.options.timer.now() - this.#lastAnswer;
  }

  /** Lets go of idle connections, so that the process can end. */
  close(): void {
    this.#agent.destroy();
  }

  async #call(path: string, body: object, waitSeconds: number, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#send(path, JSON.stringify(body), waitSeconds, signal);
    // A 5xx may come from a load balancer with nobody behind it; it does not show that a control plane is there.
    if (answer.status < 500) this.#lastAnswer = this.options.timer.now();
    if (answer.status === 204) return null;
    if (answer.status === 200) return parse(answer.text);
    if (answer.status === 401 || (answer.status === 409 && codeOf(answer.text) === 'runner-replaced')) {
      throw new RunnerDismissed(`The control plane answered ${answer.status}.`);
    }
    throw new ControlPlaneUnavailable(`The control plane answered ${answer.status} to ${path}.`);
  }

  #send(path: string, body: string, waitSeconds: number, signal: AbortSignal): Promise<Answer> {
    const { traceParent } = currentCause();
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        stopTimeout();
        reject(new ControlPlaneUnavailable(error.message, { cause: error }));
      };
      const request = this.#request(
        new URL(path, this.options.internalUrl),
        {
          method: 'POST',
          agent: this.#agent,
          signal,
          headers: {
            authorization: `Bearer ${this.options.token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            ...(traceParent === null ? {} : { traceparent: traceParent }),
          },
        },
        (response) => {
          collect(response).then((text) => {
            stopTimeout();
            resolve({ status: response.statusCode ?? 0, text });
          }, fail);
        },
      );
      const stopTimeout = this.options.timer.after((waitSeconds + CALL_SECONDS) * 1000, () =>
        request.destroy(new Error(`no answer to ${path} in time`)),
      );
      request.on('error', fail);
      request.end(body);
    });
  }
}

async function collect(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ControlPlaneUnavailable('The control plane answered something that is not JSON.', {
      cause: error,
    });
  }
}

function codeOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { code?: unknown } | null)?.code;
  } catch {
    return undefined;
  }
}
