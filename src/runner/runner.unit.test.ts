import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentNames as namesOfContract } from '../contracts/agents.js';
import {
  claimedTurnSchema,
  commandsAnswerSchema,
  reportAnswerSchema,
  runnerAssignmentSchema,
  runnerFileSchema,
  runnerPaths,
  type ClaimedTurn,
  type RunnerFile,
} from '../contracts/runner.js';
import { agentNames } from './agent-names.js';
import { assignmentOf, claimedTurnOf, commandsOf, reportAnswerOf } from './answers.js';
import { ControlPlaneUnavailable } from './control-plane-errors.js';
import { identityEnvironment, proxyRoutes } from './environment.js';
import { AttemptJournal } from './journal.js';
import { parseRunnerFile } from './runner-file.js';
import { paths } from './wire.js';

const ID = '01980000-0000-7000-8000-000000000001';
const OTHER = '01980000-0000-7000-8000-000000000002';

const file: RunnerFile = {
  internalUrl: 'http://127.0.0.1:3001',
  runnerToken: 'the-token',
  workspaceId: ID,
  directories: { tree: '/d/tree', home: '/d/home', scratch: '/d/scratch' },
  socketDirectory: '/d/socket',
  placeholder: 'the-placeholder',
  sandbox: { mode: 'bubblewrap', bwrap: '/usr/bin/bwrap' },
  agents: { claude: '/x/claude', codex: null },
  git: '/usr/bin/git',
  orphanSeconds: 600,
  turnTimeoutSeconds: 3600,
  path: '/usr/bin:/bin',
};

describe("the runner's file", () => {
  it('is read as the contract says', () => {
    expect(runnerFileSchema.parse(file)).toEqual(file);
    expect(parseRunnerFile(JSON.stringify(file))).toEqual(file);
  });

  it('names every wrong field, and no value', () => {
    const wrong = {
      ...file,
      runnerToken: 7,
      internalUrl: 'the-token',
      directories: { tree: 'relative', home: '/h', scratch: '/s' },
      sandbox: { mode: 'maybe', bwrap: '/b' },
      orphanSeconds: 0,
    };
    const read = () => parseRunnerFile(JSON.stringify(wrong));
    expect(read).toThrow(expect.objectContaining({ code: 'config-invalid' }) as Error);
    expect(read).toThrow(/internalUrl, runnerToken, directories\.tree, sandbox\.mode, orphanSeconds/);
    expect(read).not.toThrow(/the-token|relative/);
    expect(() => parseRunnerFile('{"runnerToken":"the-token"')).not.toThrow(/the-token/);
  });
});

describe('the wire without zod', () => {
  it('has the paths and names of the contract', () => {
    expect(paths).toEqual(runnerPaths);
    expect(agentNames).toEqual(namesOfContract);
  });

  const turn: ClaimedTurn = {
    turnId: ID,
    attemptId: OTHER,
    attempt: 1,
    mode: 'start',
    text: 'hi',
    author: { name: 'Ada', email: 'ada@example.com' },
    session: null,
    point: null,
    cause: { requestId: OTHER, traceParent: null },
  };
  const assignment = {
    workspaceId: ID,
    repository: { type: 'https', url: 'https://github.com/a/b', path: 'github.com/a/b.git' },
    ref: null,
    branch: 'berth/00000001',
    fallbackBranch: null,
    readOnly: false,
    instructions: null,
    agent: 'codex',
    model: 'm',
  };

  it('reads each answer as the schemas do, and lets new fields pass', () => {
    expect(claimedTurnOf({ ...turn, future: 1 })).toEqual(claimedTurnSchema.parse(turn));
    // An older Berth tells no cause.
    expect(claimedTurnOf({ ...turn, cause: undefined }).cause).toEqual({
      requestId: null,
      traceParent: null,
    });
    expect(assignmentOf({ ...assignment, future: 1 })).toEqual(runnerAssignmentSchema.parse(assignment));
    const report = { acknowledged: 3, retryAfterSeconds: 0.5 };
    expect(reportAnswerOf(report)).toEqual(reportAnswerSchema.parse(report));
    const commands = { cancel: [ID], stop: false };
    expect(commandsOf(commands)).toEqual(commandsAnswerSchema.parse(commands));
  });

  it.each([
    ['no object', () => claimedTurnOf('<html>')],
    ['a missing text', () => claimedTurnOf({ ...turn, text: undefined })],
    ['an unknown mode', () => claimedTurnOf({ ...turn, mode: 'again' })],
    ['an unknown agent', () => assignmentOf({ ...assignment, agent: 'other' })],
    ['no number', () => reportAnswerOf({ acknowledged: 'all', retryAfterSeconds: 0 })],
    ['a list of something else', () => commandsOf({ cancel: [7], stop: false })],
  ])('takes %s for no answer', (_what, read) => {
    expect(read).toThrow(ControlPlaneUnavailable);
  });
});

describe('the attempt journal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-journal-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const turn: ClaimedTurn = {
    turnId: ID,
    attemptId: ID,
    attempt: 1,
    mode: 'start',
    text: 'hi',
    author: { name: 'Ada', email: 'ada@example.com' },
    session: null,
    point: null,
  };

  it('lets no attempt begin twice, and remembers the session of a turn', () => {
    expect(new AttemptJournal(folder).begin(turn)).toEqual(turn);
    new AttemptJournal(folder).session(turn, 'session-1');

    expect(new AttemptJournal(folder).begin(turn)).toMatchObject({ mode: 'continue', session: 'session-1' });
    const replay = { ...turn, attemptId: OTHER, attempt: 2 };
    expect(new AttemptJournal(folder).begin(replay)).toMatchObject({ mode: 'start', session: 'session-1' });
    const next = { ...turn, turnId: OTHER, attemptId: OTHER.replace(/2$/, '3') };
    expect(new AttemptJournal(folder).begin(next)).toEqual(next);
  });

  it.each(['start', 'replay'] as const)('begins a %s anew that no agent was given', (mode) => {
    const [lost, next] = [randomUUID(), randomUUID()];
    const killed = { ...turn, turnId: randomUUID(), attemptId: lost, mode, session: 's', point: 'p' };
    new AttemptJournal(folder).begin(killed);
    const again = { ...killed, attemptId: next, attempt: 2, mode: 'continue' as const };
    expect(new AttemptJournal(folder).begin(again)).toEqual({ ...again, mode });
    // And again, killed before an agent was there.
    const third = { ...again, attemptId: randomUUID(), attempt: 3 };
    expect(new AttemptJournal(folder).begin(third)).toEqual({ ...third, mode });
    new AttemptJournal(folder).session({ ...third, mode }, 's');
    const last = { ...again, attemptId: randomUUID(), attempt: 4 };
    expect(new AttemptJournal(folder).begin(last)).toEqual(last);
  });

  it('keeps what an agent has to know of others’ work for each attempt at the turn, and for no other turn', () => {
    const attempt = (more: Partial<ClaimedTurn> = {}) => ({
      ...{ ...turn, turnId: ID, attemptId: randomUUID(), mode: 'replay' as const },
      ...more,
    });
    const other = attempt({ turnId: OTHER });
    new AttemptJournal(folder).begin(other);
    expect(new AttemptJournal(folder).note(null)).toBeNull();
    const first = attempt();
    new AttemptJournal(folder).begin(first);
    expect(new AttemptJournal(folder).note('Two came.')).toBe('Two came.');
    new AttemptJournal(folder).session(first, 'session');
    for (const [found, note] of [
      [null, 'Two came.'],
      ['Two came.', 'Two came.'],
      ['One came.', 'Two came. One came.'],
      [null, 'Two came. One came.'],
    ] as const) {
      new AttemptJournal(folder).begin(attempt());
      expect(new AttemptJournal(folder).note(found)).toBe(note);
    }
    new AttemptJournal(folder).begin(other);
    expect(new AttemptJournal(folder).note(null)).toBeNull();
  });

  it('goes on in the session that the killed runner had begun, and not in the one that it had told of', () => {
    const replay = { ...turn, turnId: randomUUID(), mode: 'replay' as const, session: 'told' };
    expect(new AttemptJournal(folder).begin(replay).session).toBe('told');
    new AttemptJournal(folder).session(replay, 'begun');
    const again = { ...replay, attemptId: OTHER, attempt: 2, mode: 'continue' as const };
    expect(new AttemptJournal(folder).begin(again)).toEqual({ ...again, session: 'begun' });
    expect(new AttemptJournal(folder).begin({ ...replay, attemptId: randomUUID() }).session).toBe('told');
  });
});

describe("git's environment", () => {
  it("sends the repository's address, with or without .git, to the path that the proxy serves", () => {
    const source = { type: 'https', url: 'https://github.com/a/b.git', path: 'github.com/a/b.git' } as const;
    const key = 'url.http://127.0.0.1:8123/git/github.com/a/b.git.insteadOf';
    expect(proxyRoutes(source, 'http://127.0.0.1:8123')).toEqual([
      ['url.http://127.0.0.1:8123/git/github.com/.insteadOf', 'https://github.com/'],
      [key, 'https://github.com/a/b'],
      [key, 'https://github.com/a/b.git'],
    ]);
  });

  it('never gives git an empty name or a character that ends a field', () => {
    const environment = identityEnvironment({ name: '<>\n', email: 'a>b@example.com' });
    expect(environment).toMatchObject({
      GIT_AUTHOR_NAME: 'a b@example.com',
      GIT_AUTHOR_EMAIL: 'a b@example.com',
    });
  });
});
