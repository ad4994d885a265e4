import { goingOn, isSilent } from './silence.js';

const at = new Date(0);
const TOOL = { name: 'Bash', parameter: 'make world' };

it.each([
  [1199, false],
  [1200, true],
])('%i seconds are too long a silence: %s', (seconds, is) => {
  expect(isSilent(at, 1200, new Date(seconds * 1000))).toBe(is);
});

it.each([
  ['running', TOOL, 'Still working: Bash make world'],
  ['running', { ...TOOL, parameter: 'x'.repeat(1000) }, `Still working: Bash ${'x'.repeat(295)}…`],
  ['running', { ...TOOL, result: 'made' }, 'Still working.'],
  ['running', null, 'Still working.'],
  ['reauthenticating', TOOL, 'Still waiting for a login that is accepted.'],
  ['queued', null, 'Still waiting for its turn.'],
] as const)('of a turn that is %s, with %j: %s', (state, tool, words) => {
  expect(goingOn(state, tool)).toBe(words);
});
