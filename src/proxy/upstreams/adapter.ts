import type { LeaseSecret } from '../../contracts/proxy.js';
import type { Upstream } from '../../contracts/agents.js';
import type { HeaderList } from '../headers.js';
import type { HeldCredential } from '../leases.js';
import type { Target } from '../pools.js';
import type { RefusalFormat } from '../refusal.js';
import type { AnswerChange, UpstreamRequest } from '../upstream-call.js';

/** One call that an agent may make. */
export interface Operation {
  method: 'GET' | 'POST';
  /** The provider's own path, exactly; or what the whole of it must be like. */
  path: string | RegExp;
  /** True when the model itself answers: a 2xx is the turn's receipt, and its tokens count. */
  metered: boolean;
}

/** Tokens of one answer. Null: the provider did not say. The four counts do not overlap. */
export interface Usage {
  model: string | null;
  /** Input read at the full price, without what came from or went to the cache. */
  inputTokens: number | null;
  outputTokens: number | null;
  cacheReadTokens: number | null;
  cacheWriteTokens: number | null;
  /** Of what was written to a cache, what was written for an hour; absent where nothing was. */
  cacheHourTokens?: number;
}

/** Follows one answer and keeps what it says about usage. Ill-formed pieces are skipped; they leave their numbers unknown. */
export interface UsageReader {
  /** One server-sent event; `name` is `message` when the stream names none. */
  event(name: string, data: string): void;
  /** The answer of a call without streaming. */
  json(body: unknown): void;
  usage(): Usage;
  /** The error that a stream told after it had begun well, in the shape of an error's body; null: none. */
  failure(): unknown;
}

/** Where requests can go. A ChatGPT login is not understood by OpenAI's API, nor an AWS key by Anthropic's, but by a server of its own. */
export type TargetName = Upstream | 'chatgpt';

/** Where one call goes: a server, and the path there. */
export interface Place {
  target: TargetName;
  path: string;
}

/** A call as the agent made it. */
export interface AgentCall {
  operation: Operation;
  path: string;
  /** Without its credentials and what belongs to its connection. */
  headers: HeaderList;
  body: Buffer | null;
}

/** What a wire needs to know beside the call and the credential. */
export interface WireWorld {
  target: Target;
  now: Date;
  /** Ids of models by name, where the owner of the instance says so. */
  models: Readonly<Record<string, string>>;
  /** How much of an error answer is read, and for how long. */
  maxErrorBytes: number;
  errorTimeoutSeconds: number;
}

/** Begins to follow a stream that is no server-sent events: each piece of it gives the events that it completes. Throws for what it cannot follow. */
export type Legible = () => (chunk: Buffer) => string;

/** A provider's own way of talking, where the agent speaks another: requests are translated there and answers back, so that the agent knows nothing of it. */
export interface Wire {
  /**
   * The request as it goes out, signed once its headers are final, and what turns its answer back (null: it is passed on as it is; then `legible` makes server-sent events of a copy of its
   * stream, for the meter). Throws BerthError `bad-request` for a call that cannot be told there.
   */
  translate(
    call: AgentCall,
    credential: HeldCredential,
    world: WireWorld,
  ): Promise<{ request: UpstreamRequest; change: AnswerChange | null; legible?: Legible }>;
}

/** All that differs between model providers. One file each; the streaming core knows none of it. */
export interface UpstreamAdapter {
  name: Upstream;
  /** As people call it, for messages. */
  title: string;
  operations: readonly Operation[];
  /** The kinds of credential that this upstream understands; another kind is never sent to it. */
  kinds: ReadonlySet<LeaseSecret['kind']>;
  /** Where a call to one of the operations' paths goes with a credential of this kind; null: what that kind opens has nothing of this. */
  place(kind: LeaseSecret['kind'], path: string): Place | null;
  /** For kinds whose server does not speak this upstream's wire. Loaded at the first call, since such a wire brings libraries that an idle proxy shall not pay for. */
  wires?: Partial<Record<LeaseSecret['kind'], () => Promise<Wire>>>;
  /** Puts the credential on a request from which the agent's own has been taken; not asked where a wire signs. */
  applyCredential(headers: HeaderList, credential: HeldCredential): void;
  /** An error in the provider's own shape. */
  formatRefusal: RefusalFormat;
  /** The provider's word for an error, from its parsed body, or its headers. */
  errorType(body: unknown, headers: HeaderList): string | null;
  /**
   * Whether an answer refuses the credential itself, so that a newer one or another may help; from its status, parsed body and headers. False: it refuses the call (a scope, a policy of
   * the organization), and the agent is to see what it says. Also asked of an error that a stream of status 200 told.
   */
  refuses(status: number, body: unknown, headers: HeaderList): boolean;
  /** Until when a 429 says that a plan's quota is used up; null for a rate that is over in moments, or where it does not say. */
  limitedUntil(answer: { headers: HeaderList; body: unknown }, now: Date): Date | null;
  newUsageReader(): UsageReader;
}

/** The value when it is a token count, else null. */
export function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

const MAX_WORD_LENGTH = 100;
const WORD = /^[a-z]+(?:_[a-z]+)*$/;

/** The value when it is a short snake_case word, else null. Neither free text nor anything like a key passes: an upstream may repeat one. */
export function word(value: unknown): string | null {
  return typeof value === 'string' && value.length <= MAX_WORD_LENGTH && WORD.test(value) ? value : null;
}

const MAX_MODEL_LENGTH = 200;

/** The value when it can be a model's name, else null. */
export function modelName(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_MODEL_LENGTH) : null;
}
