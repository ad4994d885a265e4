import { z } from 'zod';
import type { Agent, Kind, LeaseSecret } from '../contracts/index.js';
import { hintOf, Secret } from '../kernel/index.js';

/** What setting a credential leaves: the secret part, which is sealed, and what may be shown. */
export interface ParsedCredential {
  secret: Record<string, string>;
  hint: string;
  settings: { fallback?: boolean; region?: string };
}

export interface KindDefinition {
  agent: Agent;
  /** Name for people. */
  title: string;
  /** A provider's subscription: whether it may be connected is the instance owner's decision (BERTH_SUBSCRIPTION_OAUTH). */
  subscription: boolean;
  input: z.ZodType<ParsedCredential>;
  /** What the proxy puts on a request; null while the proxy cannot serve this kind, with the reason for people. */
  lease: ((secret: Record<string, string>) => LeaseSecret) | { unusable: string };
}

/**
 * A pasted secret: prefix, place and white space are checked, never its length, which providers change. Each mix-up has a sentence that says where the
 * thing belongs.
 */
function pasted(prefix: RegExp, expected: string, mixUps: [RegExp, string][]) {
  return z
    .string('must be text')
    .max(16_384, 'is too long to be a key')
    .superRefine((text, context) => {
      const say = (message: string): void => context.addIssue({ code: 'custom', message });
      if (text === '') return say('must not be empty');
      if (/\s/.test(text)) return say('contains a space or line break; paste the key alone, on one line');
      const mixUp = mixUps.find(([pattern]) => pattern.test(text));
      if (mixUp) return say(mixUp[1]);
      if (!/^[\x21-\x7e]+$/.test(text))
        return say('contains characters that a key cannot have; copy it again');
      if (!prefix.test(text)) say(`does not look like ${expected}`);
    });
}

const OAT = /^sk-ant-oat\d*-/;
const API = /^sk-ant-api\d*-/;
const AWS_KEY_ID = /^(AKIA|ASIA)[A-Z0-9]+$/;
const isAwsKey: [RegExp, string] = [
  AWS_KEY_ID,
  'is an AWS access key id; set it as aws_bedrock, with its secret and a region',
];

const isAdminKey: [RegExp, string] = [
  /^sk-ant-admin/,
  'is an Anthropic admin key, which cannot call models; make an API key, which begins with sk-ant-api03-',
];

const fallback = z.boolean('must be true or false').default(true);

const anthropicKey = pasted(API, 'an Anthropic API key, which begins with sk-ant-api03-', [
  [OAT, 'is a Claude token (sk-ant-oat…), not an API key; set it as claude_setup_token'],
  [/^sk-ant-ort/, 'is a refresh token of a Claude login; an API key begins with sk-ant-api03-'],
  [
    /^sk-ant-admin/,
    'is an Anthropic admin key, which cannot call models; make an API key, which begins with sk-ant-api03-',
  ],
  [/^sk-(?!ant-)/, 'looks like an OpenAI key; set it as openai_api_key'],
  isAwsKey,
]);

const setupToken = pasted(OAT, 'a token of `claude setup-token`, which begins with sk-ant-oat01-', [
  [API, 'is an Anthropic API key (sk-ant-api…), not a setup token; set it as anthropic_api_key'],
  [/^sk-ant-ort/, 'is a refresh token; run `claude setup-token` and paste what it prints (sk-ant-oat01-…)'],
  isAdminKey,
  [/^sk-(?!ant-)/, 'looks like an OpenAI key; set it as openai_api_key'],
  isAwsKey,
]);

const openaiKey = pasted(/^sk-/, 'an OpenAI API key, which begins with sk-', [
  [/^sk-ant-/, 'is an Anthropic key or token; set it as anthropic_api_key or claude_setup_token'],
  [/^eyJ/, 'is an access token of a ChatGPT login, not an API key'],
  isAwsKey,
]);

export const kinds: Record<Kind, KindDefinition> = {
  claude_setup_token: {
    agent: 'claude',
    title: 'Claude setup token',
    subscription: true,
    input: z
      .strictObject({ token: setupToken })
      .transform(({ token }) => ({ secret: { token }, hint: hintOf(token), settings: {} })),
    lease: ({ token = '' }) => ({ kind: 'claude_setup_token', token }),
  },
  anthropic_api_key: {
    agent: 'claude',
    title: 'Anthropic API key',
    subscription: false,
    input: z.strictObject({ apiKey: anthropicKey, fallback }).transform(({ apiKey, fallback }) => ({
      secret: { apiKey },
      hint: hintOf(apiKey),
      settings: { fallback },
    })),
    lease: ({ apiKey = '' }) => ({ kind: 'anthropic_api_key', apiKey }),
  },
  aws_bedrock: {
    agent: 'claude',
    title: 'AWS Bedrock',
    subscription: false,
    input: z
      .strictObject({
        accessKeyId: pasted(AWS_KEY_ID, 'an AWS access key id, which begins with AKIA or ASIA', []),
        secretAccessKey: pasted(/^[A-Za-z0-9/+=]+$/, 'an AWS secret access key', [
          [AWS_KEY_ID, 'is an access key id; the secret access key belongs here'],
        ]),
        sessionToken: pasted(/^[A-Za-z0-9/+=_-]+$/, 'an AWS session token', []).optional(),
        region: z
          .string(
            'is missing: an AWS key works in one region at a time; add the region, for example us-east-1',
          )
          .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be an AWS region, for example us-east-1'),
        fallback,
      })
      .refine((body) => !body.accessKeyId.startsWith('ASIA') || body.sessionToken, {
        path: ['sessionToken'],
        error: 'is missing: a temporary key (ASIA…) works only with its session token',
      })
      .transform(({ accessKeyId, secretAccessKey, sessionToken, region, fallback }) => ({
        secret: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
        hint: hintOf(accessKeyId),
        settings: { region, fallback },
      })),
    lease: { unusable: 'stored, but this version of the proxy cannot sign requests to Bedrock yet' },
  },
  openai_api_key: {
    agent: 'codex',
    title: 'OpenAI API key',
    subscription: false,
    input: z.strictObject({ apiKey: openaiKey, fallback }).transform(({ apiKey, fallback }) => ({
      secret: { apiKey },
      hint: hintOf(apiKey),
      settings: { fallback },
    })),
    lease: ({ apiKey = '' }) => ({ kind: 'openai_api_key', apiKey }),
  },
};

/** The sealed form: JSON of the secret's parts. */
export function secretText(parts: Record<string, string>): Secret {
  return new Secret(JSON.stringify(parts));
}
