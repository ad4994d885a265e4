import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { MessageView } from '../../src/contracts/index.js';
import { answerTo, expectWhole } from './support/events.js';
import { awsKey, credentials, TestSystem } from './support/system.js';
import { startGatedTurn } from './support/turns.js';

/** One conversation of the real Claude Code, whose login ends, whose key is refused, and which goes on at Bedrock: it speaks Anthropic's wire all the while. */

const SECRETS = [awsKey.secretAccessKey, awsKey.sessionToken];

let system: TestSystem;
let id: string;

beforeAll(async () => {
  system = await TestSystem.start();
  const { accessToken, refreshToken, expiresAt } = system.anthropic.logins.issue();
  const pair = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
  await system.api.setCredential('user', 'claude_oauth', pair);
  const { region } = system.bedrock;
  await system.api.setCredential('user', 'aws_bedrock', { ...awsKey, region });
  ({ id } = await system.runningWorkspace('claude', 'to-bedrock'));
});
afterAll(() => system.close());

async function turn(text: string): Promise<MessageView> {
  const { id: messageId } = await system.api.send(id, text);
  return system.api.untilEnded(id, messageId);
}

const served = (...kinds: string[]) => ({
  state: 'completed',
  attempts: 1,
  receipts: kinds.map((kind) => ({ kind })),
});

describe('a conversation', () => {
  it('begins with the login', async () => {
    expect(await turn('remember pineapple')).toMatchObject(served('claude_oauth'));
  });

  it('goes on with the API key when the login ends in the middle of a turn, and its refresh is rejected', async () => {
    const gated = await startGatedTurn(system, id, 'one');
    system.anthropic.logins.book.end();
    await gated.open();
    const ended = await system.api.untilEnded(id, gated.message.id);
    expect(ended).toMatchObject(served('claude_oauth', 'anthropic_api_key'));
    expect(ended.receipts[1]?.reason).toMatch(/own Claude login was rejected by the provider/);
    expect(system.anthropic.logins.calls.map(({ outcome }) => outcome)).toEqual(['ended']);
    expect(await gated.timesRun()).toBe(1);
  });

  it('goes on at Bedrock when the key is refused in the middle of a turn', async () => {
    const gated = await startGatedTurn(system, id, 'two');
    system.anthropic.revoke(credentials.anthropicApiKey);
    await gated.open();
    const ended = await system.api.untilEnded(id, gated.message.id);
    expect(ended).toMatchObject(served('anthropic_api_key', 'aws_bedrock'));
    expect(ended.receipts[1]?.reason).toMatch(
      /own AWS Bedrock is the first.*Claude login was rejected.*Anthropic API key was rejected/,
    );
    expect(await answerTo(system.api, id, gated.message.id)).toBe('the gate is open');
    expect(await gated.timesRun()).toBe(1);
  });

  it('uses tools and remembers there, streaming, each request well signed', async () => {
    const before = system.anthropic.requests.length;
    expect(await turn('create hello.txt with Good day from Bedrock')).toMatchObject(served('aws_bedrock'));
    const file = path.join(system.treeOf(id), 'hello.txt');
    expect(await readFile(file, 'utf8')).toBe('Good day from Bedrock\n');
    const recalled = await turn('what did I ask you to remember?');
    expect(recalled).toMatchObject(served('aws_bedrock'));
    expect(await answerTo(system.api, id, recalled.id)).toBe('You asked me to remember pineapple.');
    expect(system.anthropic.requests.length).toBe(before);
    const calls = system.bedrock.requests.filter(({ asked }) => asked);
    expect(calls.length).toBeGreaterThanOrEqual(4);
    for (const call of calls) {
      expect(call).toMatchObject({
        path: '/model/us.anthropic.claude-sonnet-4-6/invoke-with-response-stream',
        credential: { kind: 'aws', value: awsKey.accessKeyId },
        status: 200,
      });
    }
    const events = await system.api.events(id);
    expectWhole(events);
    const usage = events.filter(({ type }) => type === 'agent.usage').at(-1);
    expect(usage?.data).toMatchObject({ outputTokens: expect.any(Number) as number });
  });

  it('waits where Bedrock’s stream is cut, and is whole in the end', async () => {
    system.bedrock.fail({ mode: 'cut-mid-stream' });
    const before = system.bedrock.requests.length;
    const cut = await turn('Good evening');
    expect(cut).toMatchObject(served('aws_bedrock'));
    expect(await answerTo(system.api, id, cut.id)).toBe('You said: Good evening');
    expect(system.bedrock.requests.length).toBeGreaterThan(before + 1);
  });

  it('has no other way when AWS refuses the key too, whose secrets show up nowhere', async () => {
    const { api, berth, bedrock } = system;
    bedrock.revoke(awsKey.accessKeyId);
    const { id: messageId } = await api.send(id, 'Anyone there?');
    const path = api.path('/credentials/user/aws_bedrock');
    const view = await api.poll('the key is rejected', async () => {
      const { body } = await api.get<{ status: string; lastError: string }>(path);
      return body.status === 'rejected' ? body : null;
    });
    await api.post(api.path(`/workspaces/${id}/messages/${messageId}/cancel`), {}, 202);
    expect(await api.untilEnded(id, messageId)).toMatchObject({ receipts: [] });
    const shown = await Promise.all([api.workspace(id), api.messages(id), api.events(id)]);
    const told = JSON.stringify([shown, view]) + berth.output.join('');
    for (const secret of SECRETS) expect(told).not.toContain(secret);
  });
});
