import type { Secret } from '../kernel/index.js';
import { collectAnswer } from './collect-answer.js';
import { headerOf } from './headers.js';
import { jsonOf } from './json.js';
import type { Target } from './pools.js';

export interface ControlPlaneAnswer {
  status: number;
  /** The parsed body; null when it is empty or no JSON. */
  body: unknown;
  retryAfterSeconds: number | null;
}

const MAX_ANSWER_BYTES = 256 * 1024;

/** The proxy's way to the control plane: JSON over kept-alive connections, with the token of one workspace per call. */
export class ControlPlane {
  constructor(
    private readonly target: Target,
    private readonly timeoutSeconds: number,
  ) {}

  /** Rejects with a transport error when the control plane gives no answer in time; any HTTP status is an answer. */
  async post(path: string, token: Secret, body: unknown): Promise<ControlPlaneAnswer> {
    const answer = await collectAnswer(
      this.target,
      {
        method: 'POST',
        path,
        headers: ['authorization', `Bearer ${token.reveal()}`, 'content-type', 'application/json'],
        body: Buffer.from(JSON.stringify(body)),
      },
      { timeoutSeconds: this.timeoutSeconds, maxBytes: MAX_ANSWER_BYTES },
    );
    return {
      status: answer.status,
      body: jsonOf(answer.body),
      retryAfterSeconds: secondsOf(headerOf(answer.headers, 'retry-after')),
    };
  }
}

function secondsOf(header: string | undefined): number | null {
  const seconds = Number(header);
  return header !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}
