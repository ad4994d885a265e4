import Sequencer from '@jest/test-sequencer';

/** Those that take longest, first of all: a worker that begins one when the others have nothing left holds up the whole. The size of a file, which Jest goes by on a new machine, tells nothing of it. */
const LONGEST = [
  'crash-points.e2e',
  'cluster.e2e',
  'f20-mutations.trust',
  'crash.e2e',
  'cancel-and-failures.e2e',
  'f12-refused-logins.trust',
  'f28-outages.trust',
  'f01-one-exchange.trust',
  'f20-messages.trust',
];
/** Of whole Berths, which mostly wait: for a start, an agent, a job that another has to take up. */
const isLong = ({ path }) => /\.(e2e|trust)\.test\.ts$/.test(path);
/** So many of the others, which compute, go beside each of them. */
const BESIDE = 2;

/** The order in which Jest begins the test files. */
export default class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const at = LONGEST.findIndex((name) => path.endsWith(`/${name}.test.ts`));
      return at < 0 ? LONGEST.length : at;
    };
    const known = super.sort([...tests]);
    const long = known.filter(isLong).sort((one, other) => rank(one) - rank(other));
    const others = known.filter((test) => !isLong(test));
    return [...long.flatMap((test) => [test, ...others.splice(0, BESIDE)]), ...others];
  }
}
