import { fail, ok, skipped, warn, type Finding } from './report.js';

/** Times in headers are whole seconds, and an answer takes a moment. */
const USUAL_SECONDS = 5;
/** Identity tokens are refused when they are so far off. */
const HARMFUL_SECONDS = 60;

/** The machine's clock agrees with what upstreams say the time is. */
export function clock(aheadSeconds: (number | null)[]): Finding {
  const told = aheadSeconds.filter((seconds) => seconds !== null);
  if (told.length === 0) return skipped('no upstream answered, so there is no clock to compare with');
  // One that is wrong itself must not decide: the nearest counts.
  const [nearest = 0] = told.toSorted((a, b) => Math.abs(a) - Math.abs(b));
  const off = Math.abs(nearest);
  if (off <= USUAL_SECONDS) return ok('agrees with the upstreams');
  const said = `This clock is ${off} s ${nearest > 0 ? 'ahead of' : 'behind'} the upstreams.`;
  const mend = 'Set the clock, and keep it right (Debian/Ubuntu: apt-get install chrony).';
  return off < HARMFUL_SECONDS ? warn(said, mend) : fail(said, mend);
}
