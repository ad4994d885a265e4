import { pino, type DestinationStream } from 'pino';
import { causeFields, currentCause, Secret, type Log } from '../kernel/index.js';

/** Names under which a secret could ever be logged by mistake; the rule is that none is. */
const SECRET_NAMES = [
  'password',
  'token',
  'apiKey',
  'secret',
  'authorization',
  'cookie',
  'accessToken',
  'refreshToken',
  'runnerToken',
  'proxyToken',
];

/** What keys and tokens look like, wherever in a text they stand: an upstream's error message may quote one. */
const SECRET_TEXT =
  /(sk-ant-[a-z0-9]+-|sk-proj-|sk-|berth_[a-z2-7]{8}_|gh[oprsu]_|github_pat_|lin_[a-z]+_|eyJ)[A-Za-z0-9._-]{16,}/g;

/** Structured logs on standard output: JSON lines, with two nets under the rule that no secret is ever handed to it. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // Each line says whose doing it is: by the id that a person quotes, all that was done for their request is found.
    mixin: () => causeFields(currentCause()),
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: [...SECRET_NAMES, ...SECRET_NAMES.map((name) => `*.${name}`)], censor: '[redacted]' },
    hooks: { streamWrite: (line: string) => line.replace(SECRET_TEXT, '$1[redacted]') },
    serializers: {
      secret: (secret: unknown) => (secret instanceof Secret ? secret.toString() : '[redacted]'),
    },
  };
  return destination ? pino(options, destination) : pino(options);
}
