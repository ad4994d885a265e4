import { randomBytes } from 'node:crypto';
import { startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { expectProblem } from '../../../test/support/problem.js';
import { withClient } from '../../../test/support/tables.js';
import { newApiKey } from '../../identity/api-key.js';

/** Low enough to be exceeded on a machine that has much else to do. */
const LIMIT = 3;

let berth: TestApp;
let acme: TestOrganization;
let other: TestOrganization;
beforeAll(async () => {
  berth = await startTestApp();
  [acme, other] = [await berth.founded('acme'), await berth.founded('other')];
  await withClient(berth.database.ownerUrl, (client) =>
    client.query('UPDATE organization SET max_requests_per_second = $1 WHERE id = $2', [LIMIT, acme.id]),
  );
});
afterAll(() => berth.close());

const ask = (path = '', key = acme.owner.apiKey) =>
  berth.api(key).call('GET', `/api/v1/organizations/acme${path}`);

/** Asks until a new second has begun for the organization. */
async function untilFresh(): Promise<void> {
  await berth.api(null).poll('a new second', async () => {
    const { headers } = await ask();
    return headers.get('ratelimit-remaining') === String(LIMIT - 1) ? true : null;
  });
}

describe('requests beyond the limit', () => {
  it('are refused with the time to wait, and count for the organization as a whole', async () => {
    const colleague = await berth.member(acme, 'member');
    await untilFresh();
    const begun = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) => ask('', at % 2 ? acme.owner.apiKey : colleague.apiKey)),
    );
    const fine = answers.filter(({ status }) => status === 200);
    const seconds = (performance.now() - begun) / 1000;
    // Of so many seconds, one was begun before and one ends after.
    expect(fine.length).toBeLessThanOrEqual(LIMIT * (seconds + 2));
    expect(fine.length).toBeLessThan(answers.length);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expectProblem(answer, 429, 'too-many-requests');
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(answer.headers.get('ratelimit-limit')).toBe(String(LIMIT));
      expect(answer.headers.get('ratelimit-remaining')).toBe('0');
    }
  });

  it('say on each answer how the caller stands', async () => {
    await untilFresh();
    const { headers } = await ask('/members');
    expect(headers.get('ratelimit-limit')).toBe(String(LIMIT));
    expect(headers.get('ratelimit-remaining')).toMatch(/^[12]$/);
    expect(headers.get('ratelimit-reset')).toMatch(/^[01]$/);
  });

  it('do not touch another organization, nor machines, health and pages', async () => {
    await Promise.all(Array.from({ length: 30 }, () => ask()));
    const flood = Array.from({ length: 60 }, () => ask());
    const answers = await Promise.all([
      ...Array.from({ length: 20 }, () => other.owner.api.call('GET', other.owner.api.path('/members'))),
      ...Array.from({ length: 20 }, () => berth.api(null).call('GET', '/healthz')),
      berth.api(null).call('GET', '/'),
    ]);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const machines = await Promise.all(
      Array.from({ length: 20 }, () => berth.api('x').call('POST', '/internal/v1/proxy/lease', {})),
    );
    for (const answer of machines) {
      expectProblem(answer, 401);
      expect(answer.headers.has('ratelimit-limit')).toBe(false);
    }
    await Promise.all(flood);
  });

  it('cannot be made in another’s name: a wrong key uses up nothing, a foreign one its own', async () => {
    await untilFresh();
    const [prefix] = acme.owner.apiKey.split('_').slice(1);
    const forged = `berth_${prefix}_${randomBytes(32).toString('base64url')}`;
    const never = newApiKey(randomBytes).text;
    const answers = await Promise.all(
      [forged, never, other.owner.apiKey].flatMap((key) => Array.from({ length: 20 }, () => ask('', key))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 404]));
    expect((await ask()).status).toBe(200);
  });

  it('are counted for an API key also outside of an organization’s routes', async () => {
    await untilFresh();
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => berth.api(acme.owner.apiKey).call('GET', '/api/v1/me')),
    );
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(1);
  });

  it('change with the organization’s limit, from the next request on', async () => {
    await withClient(berth.database.ownerUrl, (client) =>
      client.query('UPDATE organization SET max_requests_per_second = 500 WHERE id = $1', [acme.id]),
    );
    await berth.api(null).poll('the new limit', async () => {
      const { headers } = await ask();
      return headers.get('ratelimit-limit') === '500' ? true : null;
    });
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask()));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });
});
