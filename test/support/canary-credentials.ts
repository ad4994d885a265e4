import { randomBytes } from 'node:crypto';
import { Canary } from './canary.js';

/** Every kind of credential once, each with secrets of its own. */
export interface CredentialCanaries {
  canaries: Canary[];
  /** By kind, as they are set. */
  bodies: {
    anthropic_api_key: { apiKey: string };
    claude_setup_token: { token: string };
    openai_api_key: { apiKey: string };
    git_token: { host: string; token: string };
    aws_bedrock: { accessKeyId: string; secretAccessKey: string; sessionToken: string; region: string };
  };
}

export function credentialCanaries(name: string): CredentialCanaries {
  const of = (what: string, prefix: string, random?: string): Canary =>
    new Canary(`${name} ${what}`, prefix, random);
  const anthropic = of('Anthropic key', 'sk-ant-api03-');
  const setup = of('setup token', 'sk-ant-oat01-');
  const openai = of('OpenAI key', 'sk-proj-');
  const awsSecret = of('AWS secret', '', randomBytes(30).toString('base64'));
  const awsSession = of('AWS session token', 'IQoJ', randomBytes(60).toString('base64'));
  const awsId = of('AWS key id', 'ASIA', upper(32));
  const git = of('git token', 'github_pat_');
  return {
    canaries: [anthropic, setup, openai, awsSecret, awsSession, awsId, git],
    bodies: {
      anthropic_api_key: { apiKey: anthropic.text },
      claude_setup_token: { token: setup.text },
      openai_api_key: { apiKey: openai.text },
      git_token: { host: 'github.com', token: git.text },
      aws_bedrock: {
        accessKeyId: awsId.text,
        secretAccessKey: awsSecret.text,
        sessionToken: awsSession.text,
        region: 'eu-central-1',
      },
    },
  };
}

/** A password in which every few letters there is one that some encoding writes otherwise. */
export function passwordCanary(name: string): Canary {
  const word = (length: number): string => randomBytes(length).toString('hex').slice(0, length);
  return new Canary(name, '', `${word(5)}"${word(4)}\\${word(4)}é${word(4)}/ +${word(4)}&<%${word(12)}`);
}

function upper(length: number): string {
  return [...randomBytes(length)].map((byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('');
}
