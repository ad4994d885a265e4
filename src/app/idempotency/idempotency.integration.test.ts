import { randomUUID } from 'node:crypto';
import { startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { Canary, findInDatabase } from '../../../test/support/canary.js';
import { eventually } from '../../../test/support/eventually.js';
import { lasting, mutations, onBerth, sendWith, type Prepared } from '../../../test/support/mutations.js';
import { waitingForLock } from '../../../test/support/rows.js';
import { contents, rowCounts, withClient } from '../../../test/support/tables.js';
import { furnish, type Things } from '../../../test/support/tenant-routes.js';
import type { MessageView, Problem } from '../../contracts/index.js';
import { FakeClock } from '../../kernel/index.js';
import { hashPassword } from '../../identity/password.js';
import { Expiry } from './expiry.js';

const HOUR_MS = 3600 * 1000;
const clock = new FakeClock();

let berth: TestApp;
let acme: TestOrganization;
let things: Things;

beforeAll(async () => {
  berth = await startTestApp({ clock });
  acme = await berth.founded('acme');
  things = await furnish(berth, acme);
});
afterAll(() => berth.close());

const owner = <T>(work: Parameters<typeof withClient<T>>[1]): Promise<T> =>
  withClient(berth.database.ownerUrl, work);
const message = (text: string, as = acme.owner): Prepared => ({
  method: 'POST',
  path: as.api.path(`/workspaces/${things.workspaceId}/messages`),
  headers: { authorization: `Bearer ${as.apiKey}` },
  body: { text },
});
const send = (prepared: Prepared, key: string | null = randomUUID()) => sendWith(berth.url, prepared, key);
const problemOf = ({ text }: { text: string }): Problem => JSON.parse(text) as Problem;
const messagesLike = async (text: string): Promise<MessageView[]> =>
  (await acme.owner.api.messages(things.workspaceId)).filter((candidate) => candidate.text === text);

/** Something in the database that goes wrong while `work` runs: a trigger of this table, whose function's body this is. `times('n')` counts, whatever is undone. */
async function withFault<T>(table: string, body: string, work: () => Promise<T>): Promise<T> {
  await owner((client) =>
    client.query(`CREATE SEQUENCE fault_times; GRANT USAGE ON fault_times TO PUBLIC;
      CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$;
      CREATE TRIGGER fault BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION fault()`),
  );
  try {
    return await work();
  } finally {
    await owner((client) => client.query('DROP FUNCTION fault CASCADE; DROP SEQUENCE fault_times'));
  }
}
const FIRST_TIME = `nextval('fault_times') = 1`;

describe('a request that is sent again with its key', () => {
  it('has one effect and gets its answer to the byte, however often', async () => {
    const key = randomUUID();
    const first = await send(message('once'), key);
    expect(first.status).toBe(202);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    for (const _ of Array(3)) {
      const again = await send(message('once'), key);
      expect(lasting(again)).toEqual(lasting(first));
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    }
    expect(await messagesLike('once')).toHaveLength(1);
  });

  it('without a key has an effect each time', async () => {
    await send(message('twice'), null);
    await send(message('twice'), null);
    expect(await messagesLike('twice')).toHaveLength(2);
  });

  it('gets a refusal again, also when what it was refused for has changed', async () => {
    const key = randomUUID();
    const member = await berth.member(acme, 'member');
    const create = {
      ...message('', member),
      path: member.api.path('/workspaces'),
      body: { repository: 'a/b' },
    };
    const first = await send(create, key);
    expect(problemOf(first)).toMatchObject({ status: 409, code: 'no-agent-credential' });
    await member.api.setCredential('user', 'anthropic_api_key', {
      apiKey: 'sk-ant-api03-Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2',
    });
    expect(lasting(await send(create, key))).toEqual(lasting(first));
    expect((await send(create)).status).toBe(202);
  });

  it('gets an error of ours again, and nothing of what it had begun stays', async () => {
    const key = randomUUID();
    const before = await rowCounts(berth.database.ownerUrl);
    const first = await withFault('turn', `RAISE EXCEPTION 'broken';`, () =>
      send(message('with a fault'), key),
    );
    expect(problemOf(first)).toMatchObject({ status: 500, code: 'internal' });
    const again = await send(message('with a fault'), key);
    expect(lasting(again)).toEqual(lasting(first));
    // The id of the first request, under which the log has the cause.
    expect(problemOf(again).requestId).toBe(first.headers.get('x-request-id'));
    const after = await rowCounts(berth.database.ownerUrl);
    expect(after).toEqual({ ...before, idempotent_answer: (before.idempotent_answer ?? 0) + 1 });
  });

  it('is carried out when the first time passed without an end: the database broke off', async () => {
    const key = randomUUID();
    const cut = `IF ${FIRST_TIME} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;`;
    await withFault('turn', cut, async () => {
      const first = await send(message('after a break'), key);
      expect(problemOf(first)).toMatchObject({ status: 503, code: 'database-unavailable' });
      expect(first.headers.get('retry-after')).toBe('5');
      expect(await messagesLike('after a break')).toHaveLength(0);
      expect((await send(message('after a break'), key)).status).toBe(202);
    });
    expect(await messagesLike('after a break')).toHaveLength(1);
  });

  it('is carried out once more by itself when a deadlock undid it, and left to its sender when that happens twice', async () => {
    const deadlock = (when: string): string =>
      `IF ${when} THEN RAISE EXCEPTION USING ERRCODE = '40P01'; END IF;`;
    await withFault('turn', deadlock(FIRST_TIME), async () => {
      expect((await send(message('one deadlock'))).status).toBe(202);
    });
    expect(await messagesLike('one deadlock')).toHaveLength(1);
    const key = randomUUID();
    const twice = await withFault('turn', deadlock('true'), () => send(message('two deadlocks'), key));
    expect(problemOf(twice)).toMatchObject({ status: 503, code: 'database-unavailable' });
    expect(twice.headers.get('retry-after')).toBe('1');
    expect((await send(message('two deadlocks'), key)).status).toBe(202);
    expect(await messagesLike('two deadlocks')).toHaveLength(1);
  });

  it('with another body, query, address, or method is refused, and has no effect', async () => {
    const key = randomUUID();
    await send(message('mine'), key);
    const other = await acme.owner.api.createWorkspace({ repository: 'owner/name' });
    const before = await contents(berth.database.ownerUrl);
    const mine = message('mine');
    for (const changed of [
      message('not mine'),
      { ...mine, path: `${mine.path}?x=1` },
      { ...mine, path: mine.path.replace(things.workspaceId, other.id) },
      { ...mine, path: mine.path.replace('acme', acme.id) },
      { ...mine, method: 'DELETE', path: mine.path.replace('/messages', ''), body: undefined },
    ])
      expect(problemOf(await send(changed, key))).toMatchObject({
        status: 422,
        code: 'idempotency-key-reused',
      });
    expect(await contents(berth.database.ownerUrl)).toEqual(before);
  });

  it('is another request when another person sends it, or the same one in another organization', async () => {
    const key = randomUUID();
    const bob = await berth.member(acme, 'admin');
    const name = (as: typeof bob): Prepared => ({
      ...message('', as),
      path: as.api.path('/api-keys'),
      body: { name: 'of the same name' },
    });
    const answers = [await send(name(acme.owner), key), await send(name(bob), key)];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(answers.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, null]);
    expect(answers[0]?.text).not.toBe(answers[1]?.text);
  });

  it('is refused while the first one is under way on another replica, and then gets its answer', async () => {
    const replica = await startTestApp({ clock, beside: berth });
    const key = randomUUID();
    await owner(async (client) => {
      await client.query('BEGIN; LOCK TABLE idempotent_answer IN EXCLUSIVE MODE');
      const first = send(message('slow'), key);
      await eventually('the first waits', async () => (await waitingForLock(berth.database)) > 0);
      const refused = await sendWith(replica.url, message('slow'), key);
      expect(problemOf(refused)).toMatchObject({ status: 409, code: 'idempotency-key-in-use' });
      expect(refused.headers.get('retry-after')).toBe('1');
      await client.query('COMMIT');
      const answer = await first;
      expect(lasting(await sendWith(replica.url, message('slow'), key))).toEqual(lasting(answer));
    });
    expect(await messagesLike('slow')).toHaveLength(1);
    await replica.close();
  });

  it.each(['', 'é', 'x'.repeat(256)])('with the key %j is refused before anything happens', async (key) => {
    const before = await rowCounts(berth.database.ownerUrl);
    const answer = await berthRequest({ 'idempotency-key': key });
    expect(answer.status).toBe(422);
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
  });

  it('keeps no answer of what was never begun: a stranger, a body that is none, a guess at the setup', async () => {
    const before = await rowCounts(berth.database.ownerUrl);
    const key = randomUUID();
    const stranger = { ...message('x'), headers: { authorization: 'Bearer berth_no_such_key' } };
    expect((await send(stranger, key)).status).toBe(401);
    expect((await send({ ...message('x'), body: { text: '' } }, key)).status).toBe(422);
    const setup = mutations.find(({ name }) => name === 'setupRoute');
    const guess = await setup?.prepare(berth);
    if (guess) expect((await send(guess, key)).status).toBe(409);
    expect(await rowCounts(berth.database.ownerUrl)).toEqual(before);
    expect((await send(message('was never begun'), key)).status).toBe(202);
  });
});

function berthRequest(headers: Record<string, string>) {
  const prepared = message('x');
  return fetch(`${berth.url}${prepared.path}`, {
    method: 'POST',
    headers: { ...prepared.headers, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(prepared.body),
  });
}

describe('an answer that is kept', () => {
  it('is over after 24 hours: the key is free, and the row is removed', async () => {
    const key = randomUUID();
    const first = await send(message('daily'), key);
    clock.advance(24 * HOUR_MS - 1);
    expect(lasting(await send(message('daily'), key))).toEqual(lasting(first));
    clock.advance(1);
    const next = await send(message('daily'), key);
    expect([next.status, next.headers.get('idempotency-replayed')]).toEqual([202, null]);
    expect(next.text).not.toBe(first.text);
    expect(await messagesLike('daily')).toHaveLength(2);
    clock.advance(24 * HOUR_MS);
    await berth.app.get(Expiry).run();
    const { idempotent_answer, idempotent_instance_answer } = await rowCounts(berth.database.ownerUrl);
    expect([idempotent_answer, idempotent_instance_answer]).toEqual([0, 0]);
  });

  it('holds what is shown once, and nobody finds that in the database', async () => {
    const key = randomUUID();
    const make = { ...message(''), path: acme.owner.api.path('/api-keys'), body: { name: 'kept' } };
    const first = await send(make, key);
    const { apiKey } = JSON.parse(first.text) as { apiKey: string };
    expect((JSON.parse((await send(make, key)).text) as { apiKey: string }).apiKey).toBe(apiKey);
    const secret = apiKey.slice(-32);
    const password = new Canary('password', '');
    const canaries = [new Canary('API key', '', secret), password, new Canary('key', '', key)];
    await owner(async (client) => {
      const hash = await hashPassword(password.text);
      await client.query('UPDATE "user" SET password_hash = $1 WHERE id = $2', [hash, acme.owner.userId]);
    });
    const signIn = {
      method: 'POST',
      path: '/api/v1/session',
      headers: {},
      body: { email: acme.owner.email, password: password.text },
    };
    const signedIn = await send(signIn, key);
    const [cookie = ''] = signedIn.headers.getSetCookie();
    expect((await send(signIn, key)).headers.getSetCookie()).toEqual([cookie]);
    canaries.push(new Canary('session', '', /=([^;]+)/.exec(cookie)?.[1] ?? ''));
    expect(canaries.every(({ random }) => random.length >= 20)).toBe(true);
    expect(await findInDatabase(canaries, berth.database.ownerUrl)).toEqual([]);
  });

  it('opens at no other key and in no other organization', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    await send(message('sealed one'), one);
    await send(message('sealed two'), two);
    await owner((client) =>
      client.query(
        `UPDATE idempotent_answer a SET sealed = b.sealed FROM idempotent_answer b WHERE a.id <> b.id`,
      ),
    );
    const answer = await send(message('sealed one'), one);
    expect(problemOf(answer)).toMatchObject({ status: 500, code: 'key-ring-mismatch' });
    await owner((client) => client.query('DELETE FROM idempotent_answer'));
  });
});

/** What a provider did cannot be undone: asked again with the same key, it is renewed once more. */
const undone = mutations.filter(({ name }) => name !== 'rotateCredentialRoute');

describe('an answer that cannot be kept', () => {
  it.each(undone)('undoes all that $name did', async (mutation) => {
    await onBerth(mutation, berth, { clock }, async (there) => {
      const prepared = await mutation.prepare(there);
      // The key's last use is written by the guard, once a minute.
      await sendWith(there.url, { ...prepared, method: 'GET', path: '/api/v1/me', body: undefined }, null);
      const before = await contents(there.database.ownerUrl);
      const broken = (table: string): string =>
        `CREATE TRIGGER fault BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION fault();`;
      await withClient(there.database.ownerUrl, (client) =>
        client.query(`CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'full'; END $$;
          ${broken('idempotent_answer')} ${broken('idempotent_instance_answer')}`),
      );
      const answer = await sendWith(there.url, prepared, randomUUID());
      await withClient(there.database.ownerUrl, (client) => client.query('DROP FUNCTION fault CASCADE'));
      expect([answer.status, problemOf(answer).code]).toEqual([500, 'internal']);
      expect(await contents(there.database.ownerUrl)).toEqual(before);
    });
  });
});
