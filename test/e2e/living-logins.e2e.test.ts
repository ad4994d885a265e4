import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { agentNames, type EventView, type MessageView, type Resolution } from '../../src/contracts/index.js';
import type { ModelEmulator } from '../emulators/emulator.js';
import type { FederationRule } from '../emulators/federation.js';
import { until } from '../emulators/until.js';
import type { Api } from '../support/api.js';
import { answerTo, expectWhole } from './support/events.js';
import { credentials, TestSystem } from './support/system.js';
import { startGatedTurn } from './support/turns.js';

/** Logins that end while the real agents work with them: renewed under their hands, replaced while they sleep, and given up with a sentence. */

/** One agent in its workspace, with a login of its own provider and an API key behind it. Both agents go the same way, at the same time. */
interface Lane {
  agent: 'claude' | 'codex';
  login: string;
  key: { kind: string; text: string; next: string };
  model: ModelEmulator;
  id: string;
  /** Events that were looked at in the tests before. */
  seen: number;
}

let system: TestSystem;
let lanes: Lane[];
const both = (play: (lane: Lane) => Promise<void>): Promise<unknown> => Promise.all(lanes.map(play));

beforeAll(async () => {
  system = await TestSystem.start();
  const lane = async (of: Omit<Lane, 'id' | 'seen'>): Promise<Lane> => {
    await connect(of);
    return { ...of, id: (await system.runningWorkspace(of.agent, `logins-${of.agent}`)).id, seen: 0 };
  };
  lanes = await Promise.all([
    lane({
      agent: 'claude',
      login: 'claude_oauth',
      key: {
        kind: 'anthropic_api_key',
        text: credentials.anthropicApiKey,
        next: 'sk-ant-api03-anotherKeyOfAda-9876543210',
      },
      model: system.anthropic,
    }),
    lane({
      agent: 'codex',
      login: 'openai_oauth',
      key: { kind: 'openai_api_key', text: credentials.openaiApiKey, next: 'sk-anotherKeyOfAda-9876543210' },
      model: system.openai,
    }),
  ]);
});
afterAll(() => system.close());

/** Ada brings a login that was made a moment ago. */
async function connect({ login, model }: Pick<Lane, 'login' | 'model'>): Promise<void> {
  const { accessToken, refreshToken, expiresAt } = model.logins.issue();
  const pair = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
  await system.api.setCredential('user', login, pair);
}

async function turn(id: string, text: string, api: Api = system.api): Promise<MessageView> {
  const { id: messageId } = await api.send(id, text);
  return api.untilEnded(id, messageId);
}

/** What was told of the login since the last look. */
async function toldOf(lane: Lane): Promise<string[]> {
  const events = await system.api.events(lane.id, lane.seen);
  lane.seen = events.at(-1)?.seq ?? lane.seen;
  const of = (type: string): EventView[] => events.filter((event) => event.type === type);
  expect(of('authentication.state').every(({ data }) => data.agent === lane.agent)).toBe(true);
  return of('authentication.state').map(({ data }) => String(data.state));
}

/** How often the agent's own record of the conversation holds a request. */
async function transcribed({ agent, id }: Lane, text: string): Promise<number> {
  const home = path.join(system.filesOf(id), 'home');
  const entries = await readdir(home, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.jsonl'));
  const texts = await Promise.all(
    files.map((file) => readFile(path.join(file.parentPath, file.name), 'utf8')),
  );
  const isRequest = agent === 'claude' ? '"type":"user"' : '"role":"user"';
  const lines = texts.join('\n').split('\n');
  return lines.filter((line) => line.includes(isRequest) && line.includes(text)).length;
}

/** Every piece of eight characters of the secret part of the key that a reader of the workspace, or of Berth's log, can see. */
async function piecesTold({ id, key }: Lane): Promise<string[]> {
  const { api, berth } = system;
  const shown = await Promise.all([api.workspace(id), api.messages(id), api.events(id)]);
  const told = JSON.stringify(shown) + berth.output.join('');
  const secret = key.text.replace(/^sk-(ant-api03-)?/, '');
  const pieces = Array.from({ length: secret.length - 7 }, (_, at) => secret.slice(at, at + 8));
  return pieces.filter((piece) => told.includes(piece));
}

const refusals = ({ model }: Lane): number[] =>
  model.requests.map(({ status }) => status ?? 0).filter((status) => status === 401 || status === 403);

describe('a login', () => {
  it('that is revoked in the middle of a turn is renewed once, and the request is answered and written down once', () =>
    both(async (lane) => {
      const { id, model, login } = lane;
      expect(await turn(id, 'remember pineapple')).toMatchObject({
        receipts: [{ kind: login, generation: 1 }],
      });
      const gated = await startGatedTurn(system, id);
      model.logins.book.revokeLiving();
      await gated.open();
      const ended = await system.api.untilEnded(id, gated.message.id);
      expect(ended).toMatchObject({
        state: 'completed',
        attempts: 1,
        receipts: [
          { kind: login, generation: 1 },
          { kind: login, generation: 2 },
        ],
      });
      expect(await answerTo(system.api, id, gated.message.id)).toBe('the gate is open');
      expect(await toldOf(lane)).toEqual(['reauthenticating', 'restored']);
      expect(model.logins.calls.map(({ outcome }) => outcome)).toEqual(['renewed']);
      expect(await transcribed(lane, gated.message.text)).toBe(1);
      expectWhole(await system.api.events(id));
    }));

  it('that is renewed while its workspace sleeps serves the first message, and none of it is refused', () =>
    both(async (lane) => {
      const { id, model, login } = lane;
      await system.hibernate(id);
      model.reset();
      model.logins.reset();
      await system.api.post(system.api.path(`/credentials/user/${login}/rotate`), {}, 200);
      const woken = await turn(id, 'what did I ask you to remember?');
      expect(woken).toMatchObject({
        state: 'completed',
        attempts: 1,
        receipts: [{ kind: login, generation: 3 }],
      });
      expect(await answerTo(system.api, id, woken.id)).toBe('You asked me to remember pineapple.');
      expect(refusals(lane)).toEqual([]);
      expect(model.logins.count('renewed')).toBe(1);
      expect(await toldOf(lane)).toEqual([]);
    }));

  it('that the provider ended gives way to the API key', () =>
    both(async (lane) => {
      const { id, model, key, login } = lane;
      model.logins.reset();
      model.logins.book.end();
      const ended = await turn(id, 'Good day');
      expect(ended).toMatchObject({ state: 'completed', attempts: 1, receipts: [{ kind: key.kind }] });
      expect(ended.receipts[0]?.reason).toMatch(/was rejected by the provider/);
      expect(await toldOf(lane)).toEqual(['reauthenticating', 'restored']);
      expect(model.logins.calls.map(({ outcome }) => outcome)).toEqual(['ended']);
      expect(await transcribed(lane, 'Good day')).toBe(1);
      const { body } = await system.api.get(system.api.path(`/credentials/user/${login}`));
      expect(body).toMatchObject({ status: 'rejected', generation: 3 });
    }));

  it('and then the key are given up with one sentence, and the chat is open again', () =>
    both(async (lane) => {
      const { id, model, key, agent } = lane;
      model.revoke(key.text);
      const failed = await turn(id, 'Anyone there?');
      const message = `Couldn't authenticate with ${agentNames[agent]} after multiple attempts.`;
      expect(failed).toMatchObject({
        state: 'failed',
        attempts: 3,
        receipts: [],
        error: { code: 'authentication-failed', message },
      });
      expect(await system.api.workspace(id)).toMatchObject({ authentication: 'failed' });
      expect(await piecesTold(lane)).toEqual([]);
      expect(await toldOf(lane)).toEqual(['reauthenticating', 'failed']);
      model.accept(key.next);
      await system.api.setCredential('user', key.kind, { apiKey: key.next });
      expect(await turn(id, 'Good day again')).toMatchObject({ state: 'completed', attempts: 1 });
      expect(await toldOf(lane)).toEqual(['restored']);
      expect(await system.api.workspace(id)).toMatchObject({ authentication: 'ok' });
      expect(model.requests.at(-1)?.credential.value).toBe(key.next);
    }));
});

describe('who has none of their own', () => {
  const key = 'sk-ant-api03-keyOfTheOrganization-0123456789';
  const request = { agent: 'claude', message: 'Good day' };
  let bob: Api;
  let bobsId: string;
  const resolution = async (api: Api): Promise<Resolution> =>
    (await api.get<Resolution>(api.path('/credentials/resolution?agent=claude'))).body;
  /** Makes the workspace, and waits for its first turn. */
  const first = async (api: Api, repository: string): Promise<{ id: string; turn: MessageView }> => {
    const { id } = await api.createWorkspace({ ...request, repository });
    const [message] = await api.messages(id);
    return { id, turn: await api.untilEnded(id, message?.id ?? '') };
  };

  it('works with the organization’s, and who has with theirs', async () => {
    system.anthropic.accept(key);
    await system.api.setCredential('organization', 'anthropic_api_key', { apiKey: key });
    bob = await system.newMember('Bob');
    const { url } = await system.repository('of-both');
    const calls = system.anthropic.requests.length;
    const [ada, bobs] = await Promise.all([first(system.api, url), first(bob, url)]);
    bobsId = bobs.id;
    expect(ada.turn).toMatchObject({ state: 'completed', receipts: [{ scope: 'user' }] });
    expect(bobs.turn).toMatchObject({ state: 'completed', receipts: [{ scope: 'organization' }] });
    const keys = system.anthropic.requests.slice(calls).map(({ credential }) => credential.value);
    expect(new Set(keys)).toEqual(new Set([lanes[0]?.key.next, key]));
    const [own, shared] = [await resolution(system.api), await resolution(bob)];
    expect(own.chosen).toMatchObject({ scope: 'user', kind: 'anthropic_api_key' });
    expect(own.candidates.at(-1)).toMatchObject({ scope: 'organization', usable: true });
    expect(shared).toMatchObject({
      chosen: { scope: 'organization', reason: expect.stringContaining("the organization's") as string },
      candidates: [{ scope: 'organization' }],
    });
  });

  it('works by workload identity, which the provider checks with Berth’s own keys', async () => {
    const { federation } = system.anthropic.logins;
    const { body: me } = await bob.get<{ organizations: { id: string }[] }>('/api/v1/me');
    const { url } = system.berth;
    const rule: FederationRule = {
      id: 'fdrl_01Acme',
      organizationId: '00000000-0000-4000-8000-000000000001',
      serviceAccountId: 'svac_01Acme',
      issuer: url,
      jwks: { url: `${url}/.well-known/jwks.json` },
      subjectPrefix: `berth:organization:${me.organizations[0]?.id}:workspace:*`,
      audience: 'https://api.anthropic.com',
      workspaces: ['wrkspc_01Acme'],
      tokenSeconds: 60,
    };
    federation.set(rule);
    await system.api.setCredential('organization', 'anthropic_wif', {
      federationRuleId: rule.id,
      organizationId: rule.organizationId,
      serviceAccountId: rule.serviceAccountId,
      identity: 'berth',
    });
    const keyPath = system.api.path('/credentials/organization/anthropic_api_key');
    await system.api.call('DELETE', keyPath, undefined, 204);
    const served = { state: 'completed', attempts: 1, receipts: [{ kind: 'anthropic_wif' }] };
    expect(await turn(bobsId, 'Good day', bob)).toMatchObject(served);
    expect(await turn(bobsId, 'Good evening', bob)).toMatchObject(served);
    // A minute of life, and one exchange for both messages.
    expect(federation.exchanges).toMatchObject([{ denied: null }]);
    expect(federation.exchanges[0]?.subject).toBe(rule.subjectPrefix.replace('*', bobsId));
    // The next key waits, and a token that was revoked is exchanged for another, under the agent's hands.
    await system.api.post('/api/v1/instance/issuer/rotate', {}, 202);
    federation.revoke();
    expect(await turn(bobsId, 'Good night', bob)).toMatchObject(served);
    expect(federation.exchanges).toMatchObject([{ denied: null }, { denied: null }]);
  });

  it('is cut off while the model speaks when that is taken away', async () => {
    const { anthropic, api } = system;
    const slow = await bob.send(bobsId, 'slow 3');
    await until('the model waits', () => anthropic.waiting === 1, 30);
    await api.call('DELETE', api.path('/credentials/organization/anthropic_wif'), undefined, 204);
    await until('its stream is cut', () => anthropic.waiting === 0, 10);
    await bob.post(bob.path(`/workspaces/${bobsId}/messages/${slow.id}/cancel`), {}, 202);
    expect(await bob.untilEnded(bobsId, slow.id)).toMatchObject({ state: 'canceled' });
  });
});
