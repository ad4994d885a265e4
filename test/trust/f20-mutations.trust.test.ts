import { randomUUID } from 'node:crypto';
import type { Problem } from '../../src/contracts/index.js';
import { FakeClock } from '../../src/kernel/index.js';
import { startTestApp, type TestApp } from '../support/app.js';
import {
  lasting,
  mutations,
  sendWith,
  type Exact,
  type Mutation,
  type Prepared,
} from '../support/mutations.js';
import { contents, withClient } from '../support/tables.js';
import { figure, type Findings } from './figure.js';

const DAY_MS = 24 * 3600 * 1000;
const AT_ONCE = 4;
/** How something else under the same key is refused. Signing in checks its body before anything, by its guard. */
const OTHER = ['idempotency-key-reused', 'validation-failed'];
const KEPT = ['idempotent_answer', 'idempotent_instance_answer'];

/** Two replicas on one database. */
interface Pair {
  one: TestApp;
  two: TestApp;
}

const clock = new FakeClock();

async function startPair(): Promise<Pair> {
  const one = await startTestApp({ clock });
  await installSwitch(one);
  return { one, two: await startTestApp({ clock, beside: one }) };
}

async function endPair({ one, two }: Pair): Promise<void> {
  await two.close();
  await one.close();
}

const codeOf = ({ text }: Exact): string => (JSON.parse(text) as Problem).code;

type Contents = Awaited<ReturnType<typeof contents>>;

/** A valid request, whose caller has called before: when a key was last used is written once a minute, by the guard. */
async function prepared(mutation: Mutation, { one }: Pair): Promise<Prepared> {
  const request = await mutation.prepare(one);
  await sendWith(one.url, { ...request, method: 'GET', path: '/api/v1/me', body: undefined }, null);
  return request;
}

/** What is there, but for kept answers: of those there is one. */
async function effects({ one }: Pair): Promise<Contents> {
  const all = await contents(one.database.ownerUrl);
  return Object.fromEntries(Object.entries(all).filter(([table]) => !KEPT.includes(table)));
}

/** How many rows each table has more than before. The first entry of a chain of the audit log makes its head, too; all further ones move it. */
const grown = (before: Contents, after: Contents): Record<string, number> =>
  Object.fromEntries(
    Object.entries(after)
      .filter(([table]) => table !== 'audit_head')
      .map(([table, { count }]) => [table, count - (before[table]?.count ?? 0)]),
  );

/**
 * First while every write fails: the error is the answer, also when they work again, and nothing was done. Then with another key, which is sent again to the other replica,
 * with something else, and after a day. Answers whether there was an error.
 */
async function oneAfterTheOther(mutation: Mutation, pair: Pair, findings: Findings): Promise<boolean> {
  const { one, two } = pair;
  const [failing, key] = [randomUUID(), randomUUID()];
  const request = await prepared(mutation, pair);
  const before = await effects(pair);
  await setBroken(one, true);
  const error = await sendWith(one.url, request, failing);
  await setBroken(one, false);
  const stillError = await sendWith(two.url, request, failing);
  findings.expect(
    same(stillError, error),
    `${mutation.name} after an error: ${error.text}, ${stillError.text}`,
  );
  const untouched = equal(await effects(pair), before);
  // Signing out with an API key has nothing to write, so that it cannot fail.
  findings.expect(untouched || error.status < 400, `${mutation.name}: an error had an effect`);

  const first = await sendWith(one.url, request, key);
  findings.expect(
    first.status === mutation.contract.answer.status,
    `${mutation.name} answered ${first.text}`,
  );
  const after = await effects(pair);
  for (const url of [two.url, one.url]) {
    const answer = await sendWith(url, request, key);
    const isSaid = answer.headers.get('idempotency-replayed') === 'true';
    findings.expect(same(answer, first) && isSaid, `${mutation.name} again: ${answer.text}`);
  }
  const others = [{ ...request, path: `${request.path}?other=1` }];
  if (request.body) others.push({ ...request, body: { ...request.body, other: 1 } });
  for (const other of others) {
    const answer = await sendWith(two.url, other, key);
    const isRefused = answer.status === 422 && OTHER.includes(codeOf(answer));
    findings.expect(isRefused, `${mutation.name} with something else: ${answer.text}`);
  }
  findings.expect(equal(await effects(pair), after), `${mutation.name}: a second effect`);
  clock.advance(DAY_MS);
  const later = await sendWith(two.url, request, key);
  const isFree = later.headers.get('idempotency-replayed') === null;
  findings.expect(isFree, `${mutation.name}: the key is not free after a day`);
  return error.status === 500;
}

/** The same many times at once to both replicas: one effect; the others are told to wait, and then get the answer. Answers how many were. */
async function atOnce(
  mutation: Mutation,
  pair: Pair,
  effect: Record<string, number>,
  findings: Findings,
): Promise<number> {
  const { one, two } = pair;
  const key = randomUUID();
  const request = await prepared(mutation, pair);
  const before = await effects(pair);
  const answers = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, at) => sendWith((at % 2 ? one : two).url, request, key)),
  );
  const refused = answers.filter(({ status, headers }) => status === 409 && headers.has('retry-after'));
  const given = answers.filter((answer) => !refused.includes(answer));
  const [first] = given;
  const carriedOut = given.filter(({ headers }) => !headers.has('idempotency-replayed')).length;
  findings.expect(carriedOut === 1, `${mutation.name} at once: carried out ${carriedOut} times`);
  for (const answer of refused)
    findings.expect(codeOf(answer) === 'idempotency-key-in-use', `${mutation.name} at once: ${answer.text}`);
  const last = await sendWith(two.url, request, key);
  for (const answer of [...given, last])
    findings.expect(first !== undefined && same(answer, first), `${mutation.name} at once: ${answer.text}`);
  const grew = grown(before, await effects(pair));
  findings.expect(equal(grew, effect), `${mutation.name} at once: ${JSON.stringify(grew)}`);
  return refused.length;
}

/** From now on writes fail, wherever the switch is on: in every table but those of kept answers, and of the audit log, without which there is a passing 503. */
async function installSwitch({ database }: TestApp): Promise<void> {
  await withClient(database.ownerUrl, (client) =>
    client.query(`CREATE SCHEMA fault; GRANT USAGE ON SCHEMA fault TO PUBLIC;
      CREATE TABLE fault.switch AS SELECT false AS broken; GRANT SELECT ON fault.switch TO PUBLIC;
      CREATE FUNCTION fault.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT broken FROM fault.switch) THEN RAISE 'broken'; END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
      END $$;
      DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'idempotent%' AND tablename NOT LIKE 'audit%' LOOP
          EXECUTE format('CREATE TRIGGER fault BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION fault.broken()', name);
        END LOOP;
      END $$`),
  );
}

async function setBroken({ database }: TestApp, broken: boolean): Promise<void> {
  await withClient(database.ownerUrl, (client) =>
    client.query('UPDATE fault.switch SET broken = $1', [broken]),
  );
}

const equal = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
const same = (one: Exact, other: Exact): boolean => equal(lasting(one), lasting(other));

/** By how much the tables grow when it is done once, without a key. */
async function effectOf(mutation: Mutation, pair: Pair): Promise<Record<string, number>> {
  const request = await prepared(mutation, pair);
  const before = await effects(pair);
  await sendWith(pair.one.url, request, null);
  return grown(before, await effects(pair));
}

/** Plays `scenario` for every route, on one pair of replicas; what works once per database gets one of its own each time. */
async function forEveryRoute(
  rounds: number,
  scenario: (mutation: Mutation, play: <T>(work: (pair: Pair) => Promise<T>) => Promise<T>) => Promise<void>,
): Promise<void> {
  const shared = await startPair();
  try {
    for (const mutation of mutations)
      for (let round = 0; round < rounds; round++)
        await scenario(mutation, async (work) => {
          if (!mutation.onceOnly) return work(shared);
          const own = await startPair();
          return work(own).finally(() => endPair(own));
        });
  } finally {
    await endPair(shared);
  }
}

const told = {
  countedAt: 'the rows of all tables, and the bytes of the answers',
  time: 'injected' as const,
  fullMinutes: 30,
};

figure(
  {
    ...told,
    id: 'F20 mutations',
    scenario:
      'every route that changes something, found from the contracts: after an error 500, its key again on another replica, with another query and body, and after 24 hours',
    line: 'one effect; the same status, headers and body again, 500 included; anything else 422; a free key after 24 hours',
    rounds: { small: 1, full: 10 },
  },
  async (findings) => {
    let errors = 0;
    await forEveryRoute(findings.rounds, async (mutation, play) => {
      errors += Number(await play((pair) => oneAfterTheOther(mutation, pair, findings)));
    });
    findings.tried = mutations.length * findings.rounds;
    findings.number('routes', mutations.length);
    findings.number('errors 500 repeated', errors);
    const expected = (mutations.length - 1) * findings.rounds;
    findings.expect(errors === expected, `${errors} of ${expected} errors were brought about`);
  },
);

figure(
  {
    ...told,
    id: 'F20 at once',
    scenario: `every route that changes something, found from the contracts: ${AT_ONCE} times at once with one key, on two replicas`,
    line: 'one effect; 409 with Retry-After for the others, and then the same answer',
    rounds: { small: 1, full: 10 },
  },
  async (findings) => {
    let refused = 0;
    await forEveryRoute(findings.rounds, async (mutation, play) => {
      const effect = await play((pair) => effectOf(mutation, pair));
      refused += await play((pair) => atOnce(mutation, pair, effect, findings));
    });
    findings.tried = mutations.length * findings.rounds;
    findings.number('routes', mutations.length);
    findings.number('answers 409', refused);
  },
);
