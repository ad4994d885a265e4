import type { SetKind } from '../contracts/index.js';
import { exitCodes } from './exit-codes.js';
import { CliError } from './failure.js';

/** One part of a credential, as PUT …/credentials/{scope}/{kind} wants it. */
export interface Field {
  name: string;
  /** What a person is asked for. */
  question: string;
  /** Never an argument, and not shown while it is typed. */
  secret: boolean;
  optional?: true;
}

export interface KindFields {
  /** Name for people. */
  title: string;
  fields: [Field, ...Field[]];
  /** Whether `--no-fallback` makes sense. */
  fallback: boolean;
}

/** What is asked for, by kind. Whether it is right is judged by Berth, which knows the common mix-ups. */
export const kindFields: Record<SetKind, KindFields> = {
  anthropic_api_key: {
    title: 'Anthropic API key',
    fields: [{ name: 'apiKey', question: 'Anthropic API key (sk-ant-api03-…)', secret: true }],
    fallback: true,
  },
  claude_setup_token: {
    title: 'Claude setup token',
    fields: [{ name: 'token', question: 'Token of "claude setup-token" (sk-ant-oat01-…)', secret: true }],
    fallback: false,
  },
  openai_api_key: {
    title: 'OpenAI API key',
    fields: [{ name: 'apiKey', question: 'OpenAI API key (sk-…)', secret: true }],
    fallback: true,
  },
  claude_oauth: {
    title: 'Claude login (import; "credentials connect" is the usual way)',
    fields: [
      { name: 'refreshToken', question: 'Refresh token (sk-ant-ort01-…)', secret: true },
      { name: 'accessToken', question: 'Access token (sk-ant-oat01-…)', secret: true },
      { name: 'expiresAt', question: 'When the access token runs out (2026-11-25T12:00:00Z)', secret: false },
    ],
    fallback: false,
  },
  openai_oauth: {
    title: 'ChatGPT login (import; "credentials connect" is the usual way)',
    fields: [
      { name: 'refreshToken', question: 'Refresh token', secret: true },
      { name: 'accessToken', question: 'Access token (eyJ…)', secret: true },
      { name: 'expiresAt', question: 'When the access token runs out (2026-11-25T12:00:00Z)', secret: false },
      {
        name: 'accountId',
        question: 'Account id (empty: read from the token)',
        secret: false,
        optional: true,
      },
    ],
    fallback: false,
  },
  anthropic_wif: {
    title: 'Anthropic workload identity',
    fields: [
      { name: 'federationRuleId', question: 'Federation rule (fdrl_…)', secret: false },
      { name: 'organizationId', question: 'Anthropic organization (a UUID)', secret: false },
      { name: 'serviceAccountId', question: 'Service account (svac_…)', secret: false },
      {
        name: 'workspaceId',
        question: 'Anthropic workspace (wrkspc_…; empty: the rule has one)',
        secret: false,
        optional: true,
      },
      { name: 'identity', question: 'Who vouches: berth or kubernetes', secret: false },
    ],
    fallback: false,
  },
  aws_bedrock: {
    title: 'AWS Bedrock',
    fields: [
      { name: 'secretAccessKey', question: 'AWS secret access key', secret: true },
      { name: 'accessKeyId', question: 'AWS access key id (AKIA… or ASIA…)', secret: false },
      { name: 'region', question: 'AWS region (for example us-east-1)', secret: false },
      { name: 'sessionToken', question: 'Session token (empty unless ASIA…)', secret: true, optional: true },
    ],
    fallback: true,
  },
  git_token: {
    title: 'git token (for private repositories of one host)',
    fields: [
      { name: 'token', question: 'Access token of the git host (github_pat_…)', secret: true },
      { name: 'host', question: 'Git host (for example github.com)', secret: false },
    ],
    fallback: false,
  },
};

/**
 * The parts in a text from a file or standard input: an object of JSON with the fields' names (AWS writes them with a capital letter), else the one secret
 * by itself.
 */
export function fieldsOfText(kind: SetKind, text: string): Record<string, string> {
  const { fields } = kindFields[kind];
  if (!text.startsWith('{')) return { [fields[0].name]: text };
  const given = parseObject(text);
  return Object.fromEntries(
    fields.flatMap(({ name }) => {
      const value = given[name] ?? given[name.charAt(0).toUpperCase() + name.slice(1)];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    // The parser's message quotes the text, and with it the secret.
    throw new CliError(exitCodes.usage, 'The credential begins like JSON and is not valid JSON.');
  }
}
