import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { until } from './until.js';

const MAIN = join(process.cwd(), 'test', 'emulators', 'main.ts');

let folder: string;
let child: ChildProcess;
let output: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-emulators-'));
});
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

function start(...flags: string[]): void {
  output = '';
  child = spawn(process.execPath, ['--import', 'tsx', MAIN, '--repositories', folder, ...flags]);
  const keep = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
}

const FREE_PORTS = [
  '--anthropic-port',
  '0',
  '--openai-port',
  '0',
  '--git-port',
  '0',
  '--bedrock-port',
  '0',
  '--linear-port',
  '0',
  '--github-port',
  '0',
];

it('starts all three, serves the keys it prints, and stops on SIGTERM', async () => {
  start(...FREE_PORTS);
  await until('the instructions', () => output.includes('Stop with Ctrl-C.'), 60);
  const anthropic = /BERTH_ANTHROPIC_API_URL=(\S+)/.exec(output)?.[1] ?? '';
  const openai = /BERTH_OPENAI_API_URL=(\S+)/.exec(output)?.[1] ?? '';
  const apiKey = /sk-ant-api03-\S+/.exec(output)?.[0] ?? '';
  const openaiKey = /(?<=OpenAI API key\s+)\S+/.exec(output)?.[0] ?? '';
  const headers = { 'x-api-key': apiKey, 'anthropic-version': '2023-06-01' };
  expect((await fetch(`${anthropic}/v1/models`, { headers })).status).toBe(200);
  const bearer = { authorization: `Bearer ${openaiKey}` };
  expect((await fetch(`${openai}/v1/models`, { headers: bearer })).status).toBe(200);
  const listed = (await (await fetch(`${openai}/_control/requests`)).json()) as { items: unknown[] };
  expect(listed.items).toHaveLength(1);

  const open = /http\S+demo\/hello\.git/.exec(output)?.[0] ?? '';
  const closed = /http\S+private\/hello\.git/.exec(output)?.[0] ?? '';
  const token = Buffer.from(`any:${/ghp_\S+/.exec(output)?.[0] ?? ''}`).toString('base64');
  const refs = '/info/refs?service=git-upload-pack';
  expect((await fetch(open + refs)).status).toBe(200);
  expect((await fetch(closed + refs)).status).toBe(401);
  expect((await fetch(closed + refs, { headers: { authorization: `Basic ${token}` } })).status).toBe(200);

  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('has a federation rule that takes the word of the Berth it is told of', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = JSON.stringify({ keys: [await exportJWK(publicKey)] });
  const berth = createServer((_, response) => response.end(keys)).listen(0, '127.0.0.1');
  await once(berth, 'listening');
  try {
    const issuer = `http://127.0.0.1:${(berth.address() as { port: number }).port}`;
    start(...FREE_PORTS, '--berth', issuer);
    await until('the instructions', () => output.includes('Stop with Ctrl-C.'), 60);
    const tokens = /BERTH_ANTHROPIC_TOKEN_URL=(\S+)/.exec(output)?.[1] ?? '';
    const rule = JSON.parse(/\{"federationRuleId.*\}/.exec(output)?.[0] ?? '') as Record<string, string>;
    const assertion = await new SignJWT({ jti: 'one' })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer)
      .setAudience('https://api.anthropic.com')
      .setSubject('berth:organization:a:workspace:b')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
    const answer = await fetch(tokens, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'anthropic-beta': 'oauth-2025-04-20,oidc-federation-2026-04-01',
      },
      body: JSON.stringify({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
        federation_rule_id: rule.federationRuleId,
        organization_id: rule.organizationId,
        service_account_id: rule.serviceAccountId,
      }),
    });
    expect(answer.status).toBe(200);
    expect(output).toContain(`${issuer}/webhooks/linear`);
  } finally {
    berth.close();
  }
});

it('says what to do when a port is taken', async () => {
  const { createServer: listen } = await import('node:net');
  const other = listen().listen(0, '127.0.0.1');
  await once(other, 'listening');
  try {
    const { port } = other.address() as { port: number };
    start(...FREE_PORTS, '--openai-port', String(port));
    expect((await once(child, 'exit'))[0]).toBe(1);
    expect(output).toMatch(/EADDRINUSE[\s\S]*--openai-port/);
  } finally {
    other.close();
  }
});
