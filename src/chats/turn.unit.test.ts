import type { TurnOutcome, TurnState } from '../contracts/index.js';
import {
  endingByWorkspace,
  endingOf,
  legalMoves,
  openStates,
  RECEIPT_WAIT_SECONDS,
  type EndingFacts,
} from './turn.js';

const completed: TurnOutcome = { result: 'completed' };
const canceled: TurnOutcome = { result: 'canceled' };
const failed: TurnOutcome = { result: 'failed', code: 'agent-crashed', message: 'It crashed.' };
const late = RECEIPT_WAIT_SECONDS;

const facts = (more: Partial<EndingFacts> = {}): EndingFacts => ({
  receipts: 0,
  ageSeconds: 0,
  cancelRequested: false,
  refusedAttempts: 0,
  halt: null,
  agent: 'Claude',
  ...more,
});

describe('endingOf', () => {
  it.each([
    ['completed with a receipt', completed, 1, 0, false, { state: 'completed' }],
    ['completed with several receipts, long ago', completed, 3, 1000, false, { state: 'completed' }],
    [
      'completed with a receipt, although a cancel was asked for',
      completed,
      1,
      0,
      true,
      { state: 'completed' },
    ],
    ['completed without a receipt, just now', completed, 0, 0, false, { state: 'wait' }],
    ['completed without a receipt, almost too late', completed, 0, late - 0.001, false, { state: 'wait' }],
    [
      'completed without a receipt, too late',
      completed,
      0,
      late,
      false,
      { state: 'failed', error: { code: 'model-not-reached' } },
    ],
    [
      'completed without a receipt, too late, canceled',
      completed,
      0,
      late,
      true,
      { state: 'failed', error: { code: 'model-not-reached' } },
    ],
    ['canceled as asked', canceled, 0, 0, true, { state: 'canceled' }],
    ['canceled as asked, with a receipt', canceled, 1, 0, true, { state: 'canceled' }],
    ['canceled by nobody', canceled, 1, 0, false, { state: 'failed', error: { code: 'interrupted' } }],
    [
      'failed',
      failed,
      0,
      0,
      false,
      { state: 'failed', error: { code: 'agent-crashed', message: 'It crashed.' } },
    ],
    ['failed with a receipt', failed, 1, 0, false, { state: 'failed', error: { code: 'agent-crashed' } }],
    ['failed after a cancel', failed, 0, 0, true, { state: 'failed', error: { code: 'agent-crashed' } }],
  ] as [string, TurnOutcome, number, number, boolean, object][])(
    '%s',
    (_, outcome, receipts, age, cancel, ending) => {
      expect(endingOf(outcome, facts({ receipts, ageSeconds: age, cancelRequested: cancel }))).toMatchObject(
        ending,
      );
    },
  );

  it('never completes a turn that no receipt proves, and says what to do', () => {
    const ending = endingOf(completed, facts({ ageSeconds: 1e6 }));
    expect(ending).toMatchObject({
      error: { message: expect.stringContaining('Send the message again') as unknown },
    });
  });
});

describe('endingOf an attempt without a login', () => {
  const refused: TurnOutcome = { result: 'failed', code: 'agent-authentication', message: '401 sk-ant-…' };

  it.each([
    [0, false, { state: 'retry' }],
    [1, false, { state: 'retry' }],
    [
      2,
      false,
      {
        state: 'failed',
        error: {
          code: 'authentication-failed',
          message: "Couldn't authenticate with Claude after multiple attempts.",
        },
      },
    ],
    [0, true, { state: 'canceled' }],
    [2, true, { state: 'canceled' }],
  ])('after %i others, canceled: %s', (refusedAttempts, cancelRequested, ending) => {
    expect(endingOf(refused, facts({ refusedAttempts, cancelRequested, receipts: 1 }))).toEqual(ending);
  });
});

describe('endingByWorkspace', () => {
  it('cancels what is put to sleep', () => {
    expect(endingByWorkspace('hibernating', null)).toEqual({ state: 'canceled' });
  });
  it('fails what failed, with the reason people were told', () => {
    expect(endingByWorkspace('failed', 'No space.')).toEqual({
      state: 'failed',
      error: { code: 'workspace-failed', message: 'The workspace failed: No space.' },
    });
    expect(endingByWorkspace('failed', null)).toMatchObject({
      error: { message: 'The workspace failed: unknown reason.' },
    });
  });
});

describe('the table of legal moves', () => {
  const states = Object.keys(legalMoves) as TurnState[];
  it('lets every open turn end in each way that stops it, and no ended one move', () => {
    for (const state of states) {
      const isOpen = openStates.includes(state);
      expect(legalMoves[state].includes('failed')).toBe(isOpen);
      expect(legalMoves[state].includes('canceled')).toBe(isOpen);
      if (!isOpen) expect(legalMoves[state]).toEqual([]);
    }
  });
  it('completes only what ran', () => {
    expect(states.filter((state) => legalMoves[state].includes('completed'))).toEqual(['running']);
  });
});
