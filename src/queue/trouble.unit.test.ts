import { RecordingLog } from '../runtime/testing/recording-log.js';
import { Trouble } from './trouble.js';

it('says each trouble once in half a minute', () => {
  const log = new RecordingLog();
  let now = 0;
  const trouble = new Trouble(log, 'the store is away', () => now);
  const told = (): number => log.lines.filter(({ message }) => message === 'the store is away').length;
  for (let times = 0; times < 1000; times++) trouble.tell('refused');
  expect(told()).toBe(1);
  trouble.tell('reset');
  expect(told()).toBe(2);
  now = 29_999;
  trouble.tell('refused');
  expect(told()).toBe(2);
  now = 30_000;
  trouble.tell('refused');
  trouble.tell('refused');
  expect(told()).toBe(3);
});
