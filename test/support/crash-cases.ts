import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { CredentialView, WorkspaceView } from '../../src/contracts/index.js';
import type { CrashPoint } from '../../src/kernel/index.js';
import { expectCompletedOnce, statesOf } from '../e2e/support/events.js';
import { processesNaming } from '../e2e/support/processes.js';
import { until } from '../emulators/until.js';
import type { TestSystem } from '../e2e/support/system.js';
import type { Answered } from './api.js';
import { beginConnect, completeConnect, connectStatus, ownCredential, type Paste } from './connecting.js';
import { requestJson } from './http.js';
import type { LinearGround } from './linear-ground.js';

/** What a case works on: one Berth, of one process or of several. */
export type CrashGround = Pick<
  TestSystem,
  'api' | 'anthropic' | 'repository' | 'runningWorkspace' | 'deleteWorkspace' | 'filesOf'
> & { linear: LinearGround };

/**
 * What is asked for so that Berth comes to a crash point, and what must hold once it was killed there and started again: nothing lost, nothing twice. One case per name; a new
 * crash point needs its own here (the types ask for it). Several points may share a case.
 */
export interface CrashCase {
  /** At which time of being there Berth ends; default 1. Berth is started with the point armed, so what its start itself passes counts. */
  count?: number;
  /** More of the environment of the Berth that is to end. */
  environment?: Record<string, string>;
  /** What must be there before: done with a Berth that does not end. Answers what the case works on, as text (an id, mostly). */
  before?(system: CrashGround): Promise<string>;
  /** Brings Berth to the point. Whether an answer still comes is not known: see `unanswered`. */
  act(system: CrashGround, made: string): Promise<void>;
  /** After the next start. Throws, or fails an expectation, when something was lost or came twice. Deletes what was made. */
  holds(system: CrashGround, made: string): Promise<void>;
}

/** A call whose answer may never come, because Berth ends while it works on it. */
async function unanswered(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    // fetch() says so of a connection that broke; an answer that says no is no crash.
    if (!(error instanceof TypeError)) throw error;
  });
}

async function newRepository(system: CrashGround): Promise<string> {
  return (await system.repository(`crash-${randomUUID()}`)).url;
}

/** The workspaces on this repository, as the API lists them. */
async function madeOn({ api }: CrashGround, repository: string): Promise<WorkspaceView[]> {
  const { items } = (await api.get<{ items: WorkspaceView[] }>(api.path('/workspaces?limit=100'))).body;
  return items.filter((item) => item.repository === repository);
}

/** A workspace with a first message, asked for once. */
const newWorkspace: CrashCase = {
  before: newRepository,
  act: ({ api }, repository) =>
    unanswered(api.createWorkspace({ repository, agent: 'claude', message: 'create hello.txt' })),
  holds: async (system, repository) => {
    const { api } = system;
    const made = await madeOn(system, repository);
    expect(made).toHaveLength(1);
    const id = made[0]?.id ?? '';
    await api.untilState(id, 'running');
    const [message] = await api.messages(id);
    if (!message) throw new Error('The first message is lost.');
    await expectCompletedOnce(api, id, message, { answer: 'Created hello.txt.', attempts: 1 });
    expect(statesOf(await api.events(id))).toEqual(['provisioning', 'running']);
    await system.deleteWorkspace(id);
  },
};

/** Asked to sleep while it is still being made: it goes to sleep as soon as it can. */
const sleepsAtOnce: CrashCase = {
  before: newRepository,
  act: async ({ api }, repository) => {
    const { id } = await api.createWorkspace({ repository, agent: 'claude' });
    await unanswered(api.post(api.path(`/workspaces/${id}/hibernate`), {}, 202));
  },
  holds: async (system, repository) => {
    const [made] = await madeOn(system, repository);
    const id = made?.id ?? '';
    await system.api.untilState(id, 'hibernated');
    expect(statesOf(await system.api.events(id))).toEqual([
      'provisioning',
      'running',
      'hibernating',
      'hibernated',
    ]);
    expect(processesNaming(id)).toEqual([]);
    await system.deleteWorkspace(id);
  },
};

/** A running workspace that is deleted. */
const deleted: CrashCase = {
  before: async (system) => (await system.runningWorkspace('claude', `deleted-${randomUUID()}`)).id,
  act: ({ api }, id) => unanswered(api.call('DELETE', api.path(`/workspaces/${id}`), undefined, 202)),
  holds: async (system, id) => {
    const { api } = system;
    await api.poll('the deleted one is gone', async () => {
      const { status } = await api.call('GET', api.path(`/workspaces/${id}`));
      return status === 404 ? true : null;
    });
    expect(processesNaming(id)).toEqual([]);
    expect(existsSync(system.filesOf(id))).toBe(false);
  },
};

/** A workspace that is asked for with a key, and once more after the next start. `committed` tells whether the first time counted. */
const askedAgain = (committed: boolean): CrashCase => {
  const ask = ({ api }: CrashGround, repository: string): Promise<Answered<unknown>> =>
    requestJson(
      `${api.url}${api.path('/workspaces')}`,
      'POST',
      { repository, agent: 'claude', message: 'create hello.txt' },
      { authorization: `Bearer ${api.apiKey}`, 'idempotency-key': repository },
    );
  return {
    before: newRepository,
    act: (system, repository) => unanswered(ask(system, repository)),
    holds: async (system, repository) => {
      const again = await ask(system, repository);
      expect(again.status).toBe(202);
      expect(again.headers.get('idempotency-replayed')).toBe(committed ? 'true' : null);
      const [made] = await madeOn(system, repository);
      expect((again.body as WorkspaceView).id).toBe(made?.id);
      await newWorkspace.holds(system, repository);
    },
  };
};

/** Folders of workspaces that do not exist, while another lives. */
const orphans: CrashCase = {
  before: async (system) => (await system.runningWorkspace('claude', `healthy-${randomUUID()}`)).id,
  act: (system) => {
    for (let count = 0; count < 20; count++)
      mkdirSync(path.join(system.filesOf(randomUUID()), 'tree'), { recursive: true });
    return Promise.resolve();
  },
  holds: async (system, id) => {
    const folders = path.dirname(system.filesOf(id));
    await until('only the healthy one is left', () => readdirSync(folders).join() === id, 20);
    await system.api.untilState(id, 'running');
    await system.deleteWorkspace(id);
  },
};

const LOGIN_PATH = '/credentials/user/claude_oauth';
/** A process that is gone is known to be after 20 seconds, and its job is given to another after 15 to 25. */
const RENEWED_SECONDS = 60;

/**
 * A login that is renewed by hand. Whatever was killed, its refresh token is used once at most (`exchanges`); where it may be spent and its successor is gone, that is said and nothing is
 * tried (`isLost`), and else the login goes on.
 */
const renewed = (exchanges: number, isLost: boolean): CrashCase => {
  const rotate = ({ api }: CrashGround): Promise<Answered<unknown>> =>
    api.call('POST', api.path(`${LOGIN_PATH}/rotate`));
  return {
    before: async ({ api, anthropic }) => {
      const { lineage, accessToken, refreshToken, expiresAt } = anthropic.logins.issue();
      const body = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
      await api.call('PUT', api.path(LOGIN_PATH), body, 200);
      return lineage;
    },
    act: (system) => unanswered(rotate(system)),
    holds: async (system, lineage) => {
      const { api, anthropic } = system;
      const outcomes = (): string[] =>
        anthropic.logins.calls.filter((call) => call.lineage === lineage).map(({ outcome }) => outcome);
      expect(outcomes()).toEqual(Array<string>(exchanges).fill('renewed'));
      const { status } = await api.poll(
        'the login is renewed, or said to be lost',
        async () => {
          const answer = await rotate(system);
          return answer.status === 503 ? null : answer;
        },
        RENEWED_SECONDS,
      );
      expect(status).toBe(isLost ? 409 : 200);
      const shown = (await api.get<CredentialView>(api.path(LOGIN_PATH))).body;
      expect(shown.status).toBe(isLost ? 'rejected' : 'active');
      if (isLost) expect(shown.lastError).toContain('reconnect');
      expect(outcomes()).toEqual(Array<string>(isLost ? exchanges : exchanges + 1).fill('renewed'));
      await api.call('DELETE', api.path(LOGIN_PATH), undefined, 204);
    },
  };
};

/**
 * A login that is being connected. Its code serves once, so that nobody sends it again (`exchanges`: how often it was sent): until the attempt is over it says that it is under way, and who begins
 * again is connected at once.
 */
const connected = (exchanges: number): CrashCase => ({
  before: async ({ api, anthropic }) => {
    const { authorizationUrl } = await beginConnect<Paste>(api, 'claude_oauth');
    return `${anthropic.logins.count('exchanged')} ${anthropic.logins.codeFor(authorizationUrl)}`;
  },
  act: ({ api }, made) => unanswered(completeConnect(api, made.split(' ')[1] ?? '')),
  holds: async ({ api, anthropic }, made) => {
    const [before = '', code = ''] = made.split(' ');
    const exchanged = (): number => anthropic.logins.count('exchanged') - Number(before);
    expect(await connectStatus(api, 'claude_oauth')).toMatchObject({ state: 'pending' });
    expect(await completeConnect(api, code)).toMatchObject({
      status: 409,
      body: { code: 'login-refused' },
    });
    expect(exchanged()).toBe(exchanges);
    expect(await ownCredential(api, 'claude_oauth')).toBeUndefined();
    const { authorizationUrl } = await beginConnect<Paste>(api, 'claude_oauth');
    const { status, body } = await completeConnect(api, anthropic.logins.codeFor(authorizationUrl));
    expect([status, body.status]).toEqual([200, 'active']);
    expect(exchanged()).toBe(exchanges + 1);
    await api.call('DELETE', api.path(LOGIN_PATH), undefined, 204);
  },
});

/** An issue that is given to Berth in Linear: one workspace, one message, one answer, whatever was killed; also when Linear tells of it once more. */
const delegated: CrashCase = {
  before: async (system) => {
    const repository = await newRepository(system);
    return `${await system.linear.team(system.api, repository)} ${repository}`;
  },
  act: ({ linear }, made) => linear.give(made.split(' ')[0] ?? '', 'create hello.txt'),
  holds: async (system, made) => {
    const { api, linear } = system;
    const [team = '', repository = ''] = made.split(' ');
    const responses = (): Promise<string[] | null> => {
      const said = linear.told(team).responses;
      return Promise.resolve(said.length > 0 ? said : null);
    };
    expect(await api.poll('it is answered in Linear', responses, 90)).toEqual([
      expect.stringContaining('Created hello.txt.'),
    ]);
    expect((await linear.emulator.webhooks.again(linear.told(team).delivery.id)).status).toBe(200);
    const workspaces = await madeOn(system, repository);
    expect(workspaces).toHaveLength(1);
    const id = workspaces[0]?.id ?? '';
    const asked = (await api.messages(id)).filter(({ author }) => author.type === 'user');
    expect(asked).toHaveLength(1);
    if (asked[0]) await expectCompletedOnce(api, id, asked[0], { answer: 'Created hello.txt.', attempts: 1 });
    const { responses: answers, said } = linear.told(team);
    expect(answers).toHaveLength(1);
    // Also what is said on the way: tried again it has the id that it had.
    expect(said).toEqual([...new Set(said)]);
    await system.deleteWorkspace(id);
  },
};

/** The same where Berth answers: the third of what it says, behind what it says at once. */
const answered: CrashCase = { ...delegated, count: 3 };

export const crashCases: Record<CrashPoint, CrashCase> = {
  'wake.committed': newWorkspace,
  'wake.enqueued': newWorkspace,
  'place.committed': newWorkspace,
  'sweep.orphan-removed': orphans,
  'reconcile.begun': sleepsAtOnce,
  'runner.tokens-issued': newWorkspace,
  'runner.started': newWorkspace,
  'hibernate.silenced': sleepsAtOnce,
  'delete.destroyed': deleted,
  'renewal.opened': renewed(0, false),
  'renewal.calling': renewed(0, true),
  'renewal.answered': renewed(1, true),
  'renewal.stored': renewed(1, false),
  'login.exchanging': connected(0),
  'login.exchanged': connected(1),
  'delivery.stored': delegated,
  'delivery.enqueued': delegated,
  'delivery.claimed': delegated,
  'ask.written': delegated,
  'ask.committed': delegated,
  'reply.written': answered,
  'reply.said': answered,
  'reply.stored': answered,
  'turn.claimed': newWorkspace,
  'answer.kept': askedAgain(false),
  'answer.committed': askedAgain(true),
  // The first says that the tree is there; the second is of the turn.
  'report.stored': { ...newWorkspace, count: 2 },
};
