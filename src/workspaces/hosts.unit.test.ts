import { queueHost, whose, withoutHost } from './hosts.js';
import type { Step } from './state.js';

const LOST_AFTER = 300;
const host = (unseenSeconds: number, id = 'other') => ({ id, name: 'quay', unseenSeconds });

describe('whose a workspace is', () => {
  it.each([
    ['nobody', null],
    ['ours', host(0, 'ours')],
    // Whoever asks is alive, whatever the row says.
    ['ours', host(9999, 'ours')],
    ['theirs', host(0)],
    ['theirs', host(LOST_AFTER)],
    ['lost', host(LOST_AFTER + 0.1)],
  ])('is %s with %j', (expected, seen) => {
    expect(whose(seen, 'ours', LOST_AFTER)).toBe(expected);
  });

  it.each([
    [null, null],
    [host(0), 'other'],
    [host(LOST_AFTER), 'other'],
    [host(LOST_AFTER + 0.1), null],
  ])('with %j its jobs wait in the queue of %s', (seen, expected) => {
    expect(queueHost(seen, LOST_AFTER)).toBe(expected);
  });
});

describe('what can be done without the host', () => {
  const begin = (to: 'deleting' | 'waking' | 'hibernating'): Step => ({
    do: 'begin',
    to,
    operation: 'delete',
    why: 'asked',
  });

  it.each<[string, Step, Step]>([
    ['nothing stays nothing', { do: 'nothing' }, { do: 'nothing' }],
    ['cleaning up is left to the host', { do: 'clean-up' }, { do: 'nothing' }],
    ['the row can go', { do: 'destroy' }, { do: 'forget' }],
    ['a deletion begins', begin('deleting'), begin('deleting')],
    ['waking begins, and fails in the next step', begin('waking'), begin('waking')],
  ])('%s', (_, step, expected) => {
    expect(withoutHost(step, host(999))).toEqual(expected);
  });

  it.each<[string, Step]>([
    ['starting', { do: 'ensure-runner' }],
    ['stopping', { do: 'stop' }],
    ['going to sleep', begin('hibernating')],
    ['running late', { do: 'give-up', code: 'deadline-exceeded', reason: 'late' }],
  ])('%s fails, naming the host and what to do', (_, step) => {
    expect(withoutHost(step, host(999))).toEqual({
      do: 'give-up',
      code: 'host-lost',
      reason: expect.stringMatching(/quay.*Start it again.*delete/) as string,
    });
  });
});
