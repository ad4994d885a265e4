import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { messageOf } from '../../src/kernel/index.js';
import { startAnthropicEmulator, type AnthropicEmulator } from './anthropic.js';
import { startBedrockEmulator } from './bedrock.js';
import { startGitEmulator, type GitEmulator } from './git.js';
import { startLinearEmulator, type LinearEmulator } from './linear.js';
import { startGithubEmulator, type GithubEmulator } from './github.js';
import { startOpenaiEmulator } from './openai.js';

/** `npm run emulators`: the upstreams of Berth on fixed loopback ports, for trying Berth without an account anywhere. */

interface Flags {
  anthropicPort: number;
  openaiPort: number;
  gitPort: number;
  bedrockPort: number;
  linearPort: number;
  githubPort: number;
  repositories: string;
  /** Where Berth is: Linear's events go there, and the federation rule takes its word. */
  berth: string;
}

const MARKER = 'emulator';
/** Signatures are checked, so that made-up keys of AWS do not do. */
const AWS_KEY = {
  accessKeyId: 'AKIAEMULATOR00000000',
  secretAccessKey: 'emulatorSecretAccessKey00000000000000000',
};
/** A federation rule as docs/workload-identity.md has one made. */
const RULE = {
  federationRuleId: `fdrl_${MARKER}`,
  organizationId: '7b0c1f6e-3a52-4d1b-9a53-3d9f0f6f2a10',
  serviceAccountId: `svac_${MARKER}`,
};
const PIECE_DELAY_MS = 500;

function port(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new InvalidArgumentError('Give a port between 0 and 65535.');
  }
  return number;
}

const program = new Command('emulators')
  .description(
    'Start emulators of Anthropic, OpenAI, AWS Bedrock, a git host, Linear and GitHub on 127.0.0.1',
  )
  .option('--anthropic-port <port>', 'port of the Anthropic API', port, 4010)
  .option('--openai-port <port>', 'port of the OpenAI API', port, 4011)
  .option('--git-port <port>', 'port of the git host', port, 4012)
  .option('--bedrock-port <port>', 'port of AWS Bedrock', port, 4013)
  .option('--linear-port <port>', 'port of Linear', port, 4014)
  .option('--github-port <port>', 'port of GitHub with its Apps', port, 4015)
  .option(
    '--repositories <folder>',
    'folder of the bare repositories',
    join('.berth', 'emulators', 'repositories'),
  )
  .option('--berth <url>', 'where Berth is (its BERTH_PUBLIC_URL)', 'http://127.0.0.1:3000')
  .action(start);

async function start(flags: Flags): Promise<void> {
  const root = resolve(flags.repositories);
  await mkdir(root, { recursive: true });
  const options = { acceptContaining: MARKER };
  const running: { close(): Promise<void> }[] = [];
  try {
    const model = { ...options, pieceDelayMilliseconds: PIECE_DELAY_MS };
    const anthropic = await startAnthropicEmulator({ ...model, port: flags.anthropicPort });
    running.push(anthropic);
    trust(anthropic, flags.berth);
    const openai = await startOpenaiEmulator({ ...model, port: flags.openaiPort });
    running.push(openai);
    const git = await startGitEmulator({ ...options, port: flags.gitPort, root });
    running.push(git);
    const bedrock = await startBedrockEmulator({ ...model, port: flags.bedrockPort });
    running.push(bedrock);
    bedrock.keys.accept(AWS_KEY);
    const linear = await startLinearEmulator({ ...options, port: flags.linearPort });
    running.push(linear);
    const people = populate(linear, flags.berth);
    git.protect('private/*');
    await seed(git, root, ['demo/hello', 'private/hello']);
    // Everything but its files is in memory, so that these begin anew too.
    const githubRoot = await mkdtemp(join(root, 'github-'));
    const github = await startGithubEmulator({ port: flags.githubPort, root: githubRoot });
    running.push(github, { close: () => rm(githubRoot, { recursive: true, force: true }) });
    await seedGithub(github);
    console.log(
      instructions(anthropic.url, openai.url, git.url, bedrock.url, github.url) + ofLinear(linear, people),
    );
  } catch (error) {
    await closeAll(running);
    throw error;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void closeAll(running));
  }
}

async function seed(git: GitEmulator, root: string, repositories: string[]): Promise<void> {
  for (const repository of repositories) {
    if (!existsSync(join(root, `${repository}.git`))) await git.createRepository(repository);
  }
}

/** Takes the word of Berth, as of an issuer whose keys are fetched. */
function trust({ logins }: AnthropicEmulator, berth: string): void {
  const { federationRuleId: id, ...of } = RULE;
  logins.federation.set({
    id,
    ...of,
    issuer: berth,
    jwks: { url: `${berth}/.well-known/jwks.json` },
    subjectPrefix: 'berth:organization:*',
    audience: 'https://api.anthropic.com',
    workspaces: ['default'],
    tokenSeconds: 600,
  });
}

/** Somebody to give an issue, and something to be done. */
function populate(linear: LinearEmulator, berth: string): { organization: string; user: string } {
  linear.webhooks.url = `${berth}/webhooks/linear`;
  const acme = linear.addOrganization('acme');
  const { id: user } = acme.addUser({ name: 'Ada', email: 'ada@example.com' });
  acme.addIssue(acme.addTeam('ENG', 'Engineering').id, { title: 'create hello.txt' });
  return { organization: acme.id, user };
}

/** An organization with a repository and a pull request; its owner sits at the browser. */
async function seedGithub({ make, browser }: GithubEmulator): Promise<void> {
  const owner = make.user('octo-owner');
  const organization = make.organization('octo-demo', [owner]);
  const repository = await make.repository(organization, 'hello');
  await make.pull(repository, owner, { title: 'Say hello' });
  Object.assign(browser, { user: owner, target: organization });
}

async function closeAll(running: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(running.map((emulator) => emulator.close()));
}

function instructions(
  anthropic: string,
  openai: string,
  git: string,
  bedrock: string,
  github: string,
): string {
  return `Emulators are running. Start Berth against them, in another terminal:

  BERTH_ANTHROPIC_API_URL=${anthropic} BERTH_OPENAI_API_URL=${openai} BERTH_GITHUB_URL=${git} \\
  BERTH_CLAUDE_AUTHORIZE_URL=${anthropic}/oauth/authorize BERTH_CLAUDE_TOKEN_URL=${anthropic}/v1/oauth/token \\
  BERTH_CLAUDE_REDIRECT_URL=${anthropic}/oauth/code/callback BERTH_ANTHROPIC_TOKEN_URL=${anthropic}/v1/oauth/token \\
  BERTH_OPENAI_AUTH_URL=${openai} BERTH_CHATGPT_API_URL=${openai}/backend-api \\
  BERTH_BEDROCK_URL=${bedrock} npm start

Logins: "berth credentials connect claude_oauth" and "… openai_oauth"; the pages behind the links agree to everything.

Keys they accept (any key with "${MARKER}" in it):

  Anthropic API key    sk-ant-api03-${MARKER}-key
  Claude setup token   sk-ant-oat01-${MARKER}-token
  OpenAI API key       sk-${MARKER}-key
  git token            ghp_${MARKER}_token (host github.com, for owner/name)
  AWS key (this alone) ${AWS_KEY.accessKeyId}, ${AWS_KEY.secretAccessKey}, us-east-1

Workload identity: a rule takes the word of the Berth at --berth. Set it with

  echo '${JSON.stringify({ ...RULE, identity: 'berth' })}' \\
    | npx berth credentials set anthropic_wif

Repositories:

  ${git}/demo/hello.git       open to all
  ${git}/private/hello.git    asks for the git token

GitHub with its Apps: ${github} (API below /api/v3). The owner of octo-demo sits at its browser and agrees to everything;
octo-demo/hello has pull request 1. Start Berth with BERTH_GITHUB_URL=${github} in place of the git host, let it make its App
("berth integrations github connect --account octo-demo"), and post an event to the App's hook, signed:

  curl -X POST ${github}/_control/github/deliver -d '{"event": "ping", "body": {"zen": "Keep it logically awesome."}}'

Try: "create hello.txt", "run git log --oneline", "remember pineapple", "what did I ask you to remember?", "slow 5".

Steer them (each address has the same calls):

  curl -X POST ${anthropic}/_control/fail -d '{"status": 401, "times": 2}'
  curl -X POST ${anthropic}/_control/reset
  curl ${anthropic}/_control/requests
  curl -X POST ${anthropic}/_control/logins/revoke      # the living access tokens
  curl ${anthropic}/_control/logins                     # what the token endpoint did

Stop with Ctrl-C.`;
}

function ofLinear({ url, app, webhooks }: LinearEmulator, people: object): string {
  return `

With Linear, before "npm start" too (then "berth integrations linear connect"):

  BERTH_LINEAR_API_URL=${url} BERTH_LINEAR_AUTH_URL=${url} \\
  LINEAR_CLIENT_ID=${app.clientId} LINEAR_CLIENT_SECRET=${app.clientSecret} \\
  LINEAR_WEBHOOK_SECRET=${app.webhookSecret}

  Its events go to ${webhooks.url} (--berth).

  curl ${url}/_control/linear                           # organizations, people, issues, and what was sent
  curl -X POST ${url}/_control/linear/delegate -d '${JSON.stringify({ ...people, issue: 'ENG-1' })}'`;
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(
    `The emulators could not start: ${messageOf(error)}. Give other ports with --anthropic-port, --openai-port, --git-port, --bedrock-port, --linear-port, --github-port.`,
  );
  process.exitCode = 1;
}
