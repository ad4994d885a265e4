import type { ProxyHeld, ProxyMeasure, ProxyTunnel } from '../contracts/proxy.js';
import { whenAsked, type Span, type Tracer } from '../kernel/index.js';
import type { CallOutcome } from './upstream-call.js';
import type { Usage } from './upstreams/adapter.js';

/** Who is told of calls to upstreams. */
export interface Observers {
  tracer: Tracer;
  measured: (measure: ProxyMeasure) => void;
  held: (held: ProxyHeld) => void;
  tunnel: (tunnel: ProxyTunnel) => void;
}

/** What is remembered of one call to an upstream, for metrics and traces: status, times, tokens. Nothing of what was said. */
export class CallRecord {
  readonly #begun = performance.now();
  readonly #span: Span;

  constructor(
    private readonly upstream: ProxyMeasure['upstream'],
    private readonly observers: Observers,
    name: string,
  ) {
    // Below the agent's span of the current cause; calls that belong to no turn are not traced.
    this.#span = whenAsked(observers.tracer).begin(name, {
      kind: 'client',
      attributes: { 'berth.upstream': upstream },
    });
  }

  /** The head of the answer has arrived; the agent gets it. */
  head(status: number): void {
    this.#span.mark('first byte');
    this.#span.set({
      'http.response.status_code': status,
      'berth.first_byte_ms': Math.round(performance.now() - this.#begun),
    });
  }

  /** The model and its tokens; what the provider did not say is left out. */
  usage({ model, inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens }: Usage): void {
    const said = {
      'gen_ai.response.model': model,
      'gen_ai.usage.input_tokens': inputTokens,
      'gen_ai.usage.output_tokens': outputTokens,
      'gen_ai.usage.cache_read.input_tokens': cacheReadTokens,
      'gen_ai.usage.cache_creation.input_tokens': cacheWriteTokens,
    };
    for (const [name, value] of Object.entries(said)) if (value !== null) this.#span.set({ [name]: value });
  }

  /** The call is over. `later`: what may still be told of it (tokens are read from a copy, which may take a moment longer). */
  end(outcome: CallOutcome, later: Promise<void> = Promise.resolve()): void {
    const at = Date.now();
    const seconds = (performance.now() - this.#begun) / 1000;
    this.observers.measured({ upstream: this.upstream, statusClass: classOf(outcome), seconds });
    if (outcome.kind === 'withheld') this.#span.set({ 'http.response.status_code': outcome.status });
    const failure = failureOf(outcome);
    if (failure !== null) this.#span.fail(failure);
    void later.then(() => this.#span.end(at));
  }
}

function classOf(outcome: CallOutcome): ProxyMeasure['statusClass'] {
  if (!('status' in outcome)) return 'none';
  const first = Math.floor(outcome.status / 100);
  return first === 2 || first === 3 || first === 4 || first === 5 ? `${first}xx` : 'none';
}

function failureOf(outcome: CallOutcome): string | null {
  if (outcome.kind === 'unreachable' || outcome.kind === 'client-gone') return outcome.kind;
  if (outcome.status >= 400) return String(outcome.status);
  return outcome.kind === 'relayed' && !outcome.complete ? 'cut' : null;
}
