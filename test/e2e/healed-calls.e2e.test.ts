import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import type { Lease } from '../../src/contracts/proxy.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from '../../src/proxy/testing/proxy-under-test.js';
import { startAnthropicEmulator } from '../emulators/anthropic.js';
import type { ModelEmulator } from '../emulators/emulator.js';
import type { IssuedPair } from '../emulators/login-book.js';
import { startOpenaiEmulator } from '../emulators/openai.js';
import {
  makeAgentPlace,
  runClaude,
  runCodex,
  type AgentPlace,
  type AgentRun,
} from '../emulators/run-agents.js';
import { bridgeTo, type Bridge } from './support/bridge.js';

/** The real agents through the proxy alone, while their login is revoked under their hands: they are not to notice. */

const MESSAGE = 'run echo one && echo two';

let emulator: ModelEmulator;
let proxy: ProxyUnderTest;
let place: AgentPlace;
let bridge: Bridge;
/** Digests of the bodies that model calls had, with the answer's status. */
let calls: { digest: string; status: number }[];
let pair: IssuedPair;

/** Revokes the login's token when the second call comes: the agent has begun, and a tool has run. */
async function start(model: ModelEmulator, secretOf: (pair: IssuedPair) => Lease['secret']): Promise<void> {
  emulator = model;
  calls = [];
  pair = emulator.logins.issue();
  proxy = await startProxy((request, response) => void passOn(request, response));
  proxy.controlPlane.nextLease = () => {
    const { state } = emulator.logins.book.stateOf(pair.accessToken) ?? {};
    if (state !== 'living') {
      const renewed = emulator.logins.book.refresh(pair.refreshToken, false);
      if ('pair' in renewed) pair = renewed.pair;
    }
    return { status: 200, body: leaseOf(pair, secretOf(pair)) };
  };
  bridge = await bridgeTo(proxy.socket);
  place = await makeAgentPlace();
}

async function passOn(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const body = await textOf(request);
  if (request.method === 'POST' && calls.length === 1) emulator.logins.book.revoke(pair.accessToken);
  const { method, headers, url = '/' } = request;
  const onward = http.request(new URL(url, emulator.url), { method, headers }, (answer) => {
    const digest = createHash('sha256').update(body).digest('hex');
    if (method === 'POST') calls.push({ digest, status: answer.statusCode ?? 0 });
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  onward.end(body);
}

function leaseOf({ generation, expiresAt }: IssuedPair, secret: Lease['secret']): Lease {
  return {
    credentialId: '0198c0de-0000-7000-8000-000000000001',
    generation,
    expiresAt: expiresAt.toISOString(),
    secret,
  };
}

const url = (upstream: string): string => `${bridge.url}/${upstream}`;

/** Every line that the agent wrote down of its conversation. */
async function transcript(): Promise<string[]> {
  const entries = await readdir(place.home, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.jsonl'));
  const texts = await Promise.all(
    files.map((entry) => readFile(path.join(entry.parentPath, entry.name), 'utf8')),
  );
  return texts.join('\n').split('\n');
}

function expectHealed(run: AgentRun): void {
  expect([run.exitCode, calls.map(({ status }) => (status === 200 ? 'served' : 'refused'))]).toEqual([
    0,
    ['served', 'refused', 'served'],
  ]);
  expect(calls[2]?.digest).toBe(calls[1]?.digest);
  expect(emulator.logins.book.lineages).toMatchObject([{ generation: 2, living: 1 }]);
  expect(proxy.controlPlane.reports('refused')).toMatchObject([{ generation: 1 }]);
  const noticed = run.lines.filter((line) =>
    /api_retry|Reconnecting|unexpected status|authentication_failed|revoked/.test(JSON.stringify(line)),
  );
  expect(noticed).toEqual([]);
}

afterEach(async () => {
  bridge.close();
  await Promise.all([proxy.close(), emulator.close(), place.remove()]);
});

it('the real Claude Code is answered although its login was revoked in the middle', async () => {
  await start(await startAnthropicEmulator({ compress: true }), ({ accessToken }) => ({
    kind: 'claude_oauth',
    token: accessToken,
  }));
  const run = await runClaude(
    place,
    { url: url('anthropic'), env: { ANTHROPIC_AUTH_TOKEN: PLACEHOLDER } },
    MESSAGE,
  );
  expect(run.lines.find(({ type }) => type === 'result')).toMatchObject({
    is_error: false,
    result: 'one\ntwo',
  });
  expectHealed(run);
  const lines = (await transcript()).filter((line) => line.includes('"type":"user"'));
  expect(lines.filter((line) => line.includes(`"${MESSAGE}"`))).toHaveLength(1);
});

it('the real Codex is answered although its login was revoked in the middle', async () => {
  await start(await startOpenaiEmulator({ compress: true }), ({ accessToken, account }) => ({
    kind: 'openai_oauth',
    token: accessToken,
    accountId: account.id,
  }));
  const run = await runCodex(place, { url: url('openai'), key: PLACEHOLDER }, MESSAGE);
  const said = run.lines.filter(({ type }) => type === 'item.completed').map(({ item }) => item);
  expect(said.at(-1)).toMatchObject({ type: 'agent_message', text: 'one\ntwo' });
  expectHealed(run);
  const lines = (await transcript()).filter((line) => line.includes('"role":"user"'));
  expect(lines.filter((line) => line.includes(MESSAGE))).toHaveLength(1);
});
