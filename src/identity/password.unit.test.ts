import { hash } from '@node-rs/argon2';
import { hashPassword, passwordMatches } from './password.js';

const PASSWORD = 'correct horse battery staple';

const TRIES = 5;

/**
 * Processor time of this process, in milliseconds: other processes on the machine do not count, unlike with a clock on the wall. The least of some tries, since what else this process does counts.
 */
async function processorTime(work: () => Promise<unknown>): Promise<number> {
  let least = Infinity;
  for (let left = TRIES; left > 0; left -= 1) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

describe('passwords', () => {
  let stored: string;
  beforeAll(async () => {
    stored = await hashPassword(PASSWORD);
    // Makes the hash that stands in for nobody's.
    await passwordMatches(PASSWORD, null);
  });

  it('are stored as argon2id with a salt of their own, at the cost OWASP names', async () => {
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await hashPassword(PASSWORD)).not.toBe(stored);
  });

  it('match themselves and nothing else', async () => {
    expect(await passwordMatches(PASSWORD, stored)).toBe(true);
    expect(await passwordMatches(`${PASSWORD} `, stored)).toBe(false);
    expect(await passwordMatches('', stored)).toBe(false);
  });

  it('never match where nobody has the address, not even the text behind the stand-in', async () => {
    expect(await passwordMatches(PASSWORD, null)).toBe(false);
    expect(await passwordMatches('nobody has this password', null)).toBe(false);
  });

  it('cost as much to check for nobody as for somebody, so that time does not tell who has an account', async () => {
    const somebody = await processorTime(() => passwordMatches('wrong password', stored));
    const nobody = await processorTime(() => passwordMatches('wrong password', null));
    // Without the stand-in it would be next to nothing.
    expect(nobody).toBeGreaterThan(somebody / 3);
    expect(nobody).toBeLessThan(somebody * 3);
  });

  it('made at another cost still match: the cost is in the hash', async () => {
    const cheap = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    expect(await passwordMatches(PASSWORD, cheap)).toBe(true);
  });
});
