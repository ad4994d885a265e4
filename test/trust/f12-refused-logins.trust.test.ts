import { figure, Findings } from './figure.js';
import { moments, refuseLogins, type Break, type Moment } from './support/refused-logins.js';

figure(
  {
    id: 'F12',
    scenario:
      'messages to the real Claude and Codex, through the real runner and proxy, whose login is refused: with the first call, behind a tool that ran, after a stream that was cut, twice in a row, and until the attempts are used up',
    line: 'each message is answered once and the model saw its request once; each tool ran once; one bubble, no word of the provider; at the limit a clear sentence, and the next message works',
    rounds: { small: 4, full: 100 },
    countedAt:
      'the emulator’s ledger of conversations, files that the tools mark, the chat as people read it',
    time: 'injected',
    fullMinutes: 30,
  },
  async (findings) => {
    await refuseLogins(findings.rounds, findings);
    findings.number('moments', moments.length);
  },
);

describe('it would be noticed if', () => {
  it.each<[string, Moment, Break, RegExp]>([
    ['a refused request were asked again as it is', 'before', () => 'start', /saw the request 2 times/],
    [
      'a request were replayed although its tool ran',
      'mid-tool',
      (mode) => (mode === 'continue' ? 'replay' : mode),
      /tool ran 2 times/,
    ],
  ])(
    '%s',
    async (_, only, broken, seen) => {
      const findings = new Findings(1);
      await refuseLogins(findings.rounds, findings, { agents: ['codex'], only, broken });
      expect(findings.breaches.join('\n')).toMatch(seen);
    },
    240_000,
  );
});
