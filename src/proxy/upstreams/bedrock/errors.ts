import { field, jsonOf } from '../../json.js';

/** An error as the Messages API tells it. */
export interface MessagesError {
  status: number;
  type: string;
  message: string;
}

/** A key that AWS does not know, that ran out, or that signs wrongly: another may help. */
const REFUSED = new Set([
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'ExpiredTokenException',
  'ExpiredToken',
  'MissingAuthenticationTokenException',
]);

const REFUSED_STATUS = 401;

/** What AWS's codes are called at Anthropic (providers.md 1.8 and 5.3). AWS says 403 of nearly all that has to do with a key: the code tells, never the status. */
const CODES: Record<string, [status: number, type: string]> = {
  AccessDeniedException: [403, 'permission_error'],
  FTUFormNotFilled: [403, 'permission_error'],
  ValidationException: [400, 'invalid_request_error'],
  ResourceNotFoundException: [404, 'not_found_error'],
  ThrottlingException: [429, 'rate_limit_error'],
  TooManyRequestsException: [429, 'rate_limit_error'],
  ServiceQuotaExceededException: [429, 'rate_limit_error'],
  ModelNotReadyException: [429, 'rate_limit_error'],
  ServiceUnavailable: [529, 'overloaded_error'],
  ServiceUnavailableException: [529, 'overloaded_error'],
  ModelTimeoutException: [504, 'timeout_error'],
  ModelErrorException: [500, 'api_error'],
  ModelStreamErrorException: [500, 'api_error'],
  InternalServerException: [500, 'api_error'],
};

/** For answers without a code that is known, such as those of a gateway before AWS. */
const STATUSES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

/** The words in which AWS says that a signature is good and its time is not. */
const OFF_CLOCK = /signature (?:expired|not yet current)/i;

/** What stands before the model's own words. */
const LEAD = /^The model returned the following errors?: /;

const OFF_CLOCK_ERROR: MessagesError = {
  status: 403,
  type: 'permission_error',
  message:
    "AWS refused the time of this request: the clock of the machine that Berth's proxy runs on is off by minutes. Set it right.",
};

/** The code in a header `x-amzn-errortype`, without what stands after its colon. */
export function codeOf(header: string | undefined): string {
  return header?.split(':', 1)[0] ?? '';
}

/** AWS's code as one of the words that are told of errors: `expired_token_exception`. */
export function wordOf(code: string): string {
  return code.replace(/(?!^)(?=[A-Z][a-z])/g, '_').toLowerCase();
}

/** Whether this code and text refuse the key itself. */
export function refusesKey(code: string, said: string): boolean {
  return REFUSED.has(code) && !OFF_CLOCK.test(said);
}

/** An error answer of Bedrock in Anthropic's words. `code` is the header's, with or without what stands after its colon. What repeats one of `secrets` is not passed on. */
export function messagesError(
  status: number,
  code: string | undefined,
  body: Buffer,
  secrets: readonly string[],
): MessagesError {
  const name = codeOf(code);
  const said = messageOf(jsonOf(body));
  if (REFUSED.has(name)) {
    if (!refusesKey(name, said)) return OFF_CLOCK_ERROR;
    return {
      status: REFUSED_STATUS,
      type: wordOf(name),
      message: 'AWS refused the key.',
    };
  }
  const known = Object.hasOwn(CODES, name) ? CODES[name] : undefined;
  const [toldStatus, type] = known ?? [status, STATUSES[status] ?? 'api_error'];
  return { status: toldStatus, type, message: told(said, secrets) };
}

/** The text of an exception that a stream told after it had begun. */
export function exceptionText(payload: string, secrets: readonly string[]): string {
  return told(messageOf(jsonOf(payload)), secrets);
}

function told(said: string, secrets: readonly string[]): string {
  const message = said.replace(LEAD, '');
  if (message === '' || secrets.some((secret) => message.includes(secret)))
    return 'AWS Bedrock told of an error.';
  return message;
}

function messageOf(body: unknown): string {
  const message = field(body, 'message') ?? field(body, 'Message');
  return typeof message === 'string' ? message : '';
}
