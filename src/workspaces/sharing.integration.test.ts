import type { Answered, Api } from '../../test/support/api.js';
import type { TestMember } from '../../test/support/app.js';
import { Bench, type PlayedWorkspace } from '../../test/support/bench.js';
import { eventually } from '../../test/support/eventually.js';
import { expectProblem } from '../../test/support/problem.js';
import type { MessageView, WorkspaceView } from '../contracts/index.js';

const key = (letter: string): string => `sk-ant-api03-${letter.repeat(40)}`;
const [OWNERS, ANNS, ORGANIZATIONS] = [key('a'), key('b'), key('c')];

let bench: Bench;
let [ann, bob, admin]: TestMember[] = [];
beforeEach(async () => {
  bench = await Bench.start();
  [ann, bob, admin] = [
    await bench.app.member(bench.organization, 'member'),
    await bench.app.member(bench.organization, 'member'),
    await bench.app.member(bench.organization, 'admin'),
  ];
  await bench.api.setCredential('user', 'anthropic_api_key', { apiKey: OWNERS });
});
afterEach(() => bench.close());

const of = (person: TestMember | undefined): TestMember => {
  if (!person) throw new Error('beforeEach has not run');
  return person;
};
const share = (id: string, shared: boolean, api: Api = bench.api): Promise<Answered<WorkspaceView>> =>
  api.call('PATCH', bench.api.path(`/workspaces/${id}`), { shared });
const at = (id: string, rest = ''): string => bench.api.path(`/workspaces/${id}${rest}`);

async function shared(input: Record<string, unknown> = {}): Promise<PlayedWorkspace> {
  const played = await bench.running(input);
  expect((await share(played.id, true)).body.shared).toBe(true);
  return played;
}

/** The key that the proxy is lent now. */
async function lent({ proxy }: PlayedWorkspace): Promise<unknown> {
  const { status, body } = await proxy.tryLease();
  return status === 200 ? (body.secret as { apiKey: string }).apiKey : status;
}

/** What was lent is forgotten by the proxy after so long. */
const wait = (): void => bench.clock.advance(6000);

describe('a shared workspace', () => {
  it('is read, written to and woken by every member, and changed by its owner alone', async () => {
    const { id } = await bench.running();
    const { api } = of(ann);
    expectProblem(await api.call('GET', at(id)), 404, 'not-found');
    expect((await api.get<{ items: unknown[] }>(at('').slice(0, -1))).body.items).toEqual([]);
    expect((await bench.api.workspace(id)).shared).toBe(false);

    await share(id, true);
    expect((await api.workspace(id)).shared).toBe(true);
    expect((await api.get<{ items: WorkspaceView[] }>(at('').slice(0, -1))).body.items).toHaveLength(1);
    const { author } = await api.send(id, 'hello');
    expect(author).toMatchObject({ id: of(ann).userId });
    expect(await api.messages(id)).toHaveLength(1);
    expect(await api.events(id)).not.toHaveLength(0);
    await api.get(at(id, '/operations'));
    await api.call('POST', at(id, '/wake'), undefined, 202);
    for (const answer of [
      await api.call('PATCH', at(id), { name: 'mine' }),
      await share(id, false, api),
      await share(id, false, of(admin).api),
      await api.call('POST', at(id, '/hibernate')),
      await api.call('DELETE', at(id)),
    ])
      expectProblem(answer, 403, 'forbidden');
  });

  it('lets an admin read it, besides stopping it', async () => {
    const { id } = await bench.running();
    const { api } = of(admin);
    expectProblem(await api.call('GET', at(id, '/messages')), 403, 'forbidden');
    await share(id, true);
    await api.get(at(id, '/messages'));
    await api.call('POST', at(id, '/hibernate'), undefined, 202);
  });

  it('lets each cancel their own message, and its owner every one', async () => {
    const { id } = await shared();
    const cancel = (api: Api, message: MessageView) =>
      api.call('POST', at(id, `/messages/${message.id}/cancel`));
    const anns = await of(ann).api.send(id, 'from ann');
    const owners = await bench.api.send(id, 'from the owner');
    expectProblem(await cancel(of(bob).api, anns), 403, 'forbidden');
    expectProblem(await cancel(of(ann).api, owners), 403, 'forbidden');
    expect((await cancel(bench.api, anns)).status).toBe(202);
    const again = await of(ann).api.send(id, 'again');
    expect((await cancel(of(ann).api, again)).status).toBe(202);
  });

  it('that is not shared any more ends what others read and have under way there', async () => {
    const { id, runner } = await shared();
    await of(ann).api.send(id, 'under way');
    await runner.claim();
    const queued = await of(bob).api.send(id, 'queued');
    const kept = await bench.api.send(id, 'the owner’s');
    const stream = (person: TestMember) =>
      fetch(`${bench.app.url}${at(id, '/events')}`, {
        headers: { authorization: `Bearer ${person.apiKey}`, accept: 'text/event-stream' },
      });
    const [anns, owners] = [await stream(of(ann)), await stream(bench.owner)];
    const ended = anns.text();
    await eventually('both wait', () => bench.app.parts.feed.waiting(id) >= 2);
    expect((await share(id, false)).body.shared).toBe(false);
    await ended;
    expect((await runner.commands()).body.cancel).toHaveLength(1);
    const states = new Map((await bench.api.messages(id)).map((message) => [message.id, message.state]));
    expect(states.get(queued.id)).toBe('canceled');
    expect(states.get(kept.id)).toBe('queued');
    expectProblem(await of(ann).api.call('GET', at(id, '/events')), 404, 'not-found');
    // The owner's own stream lives on.
    const owned = owners.body?.getReader();
    expect((await owned?.read())?.done).toBe(false);
    await owned?.cancel();
  });
});

describe('who serves a message in a shared workspace', () => {
  it('is who wrote it, with their own first, then the organization, and never another person', async () => {
    const played = await shared();
    const { id, runner } = played;
    const turnOf = async (person: TestMember): Promise<unknown> => {
      wait();
      await person.api.send(id, 'work');
      const turn = await runner.claim();
      const key = await lent(played);
      if (typeof key === 'string') await played.proxy.report(played.proxy.served(await played.proxy.lease()));
      await runner.report(runner.finished(turn, { result: 'failed', code: 'test', message: 'Over.' }));
      return key;
    };
    expect(await turnOf(bench.owner)).toBe(OWNERS);
    // No own, none of the organization's: nobody serves, least of all the owner.
    expect(await turnOf(of(ann))).toBe(409);
    await bench.api.setCredential('organization', 'anthropic_api_key', { apiKey: ORGANIZATIONS });
    expect(await turnOf(of(ann))).toBe(ORGANIZATIONS);
    await of(ann).api.setCredential('user', 'anthropic_api_key', { apiKey: ANNS });
    expect(await turnOf(of(ann))).toBe(ANNS);
    expect(await turnOf(of(bob))).toBe(ORGANIZATIONS);
    expect(await turnOf(bench.owner)).toBe(OWNERS);
    // Each turn's receipt is of a credential that its author may use.
    const rows = await bench.sql(
      `SELECT m.author_id, r.scope, c.user_id FROM receipt r JOIN message m ON m.id = r.turn_id
         JOIN credential c ON c.id = r.credential_id ORDER BY m.seq`,
    );
    expect(rows.map(({ scope }) => scope)).toEqual(['user', 'organization', 'user', 'organization', 'user']);
    for (const row of rows) expect([null, row.author_id]).toContain(row.user_id);
  });

  it('is nobody between two persons’ turns, and the second waits for the end of the first one’s lease', async () => {
    const played = await shared();
    const { id, runner, proxy } = played;
    await of(ann).api.setCredential('user', 'anthropic_api_key', { apiKey: ANNS });
    await bench.api.send(id, 'the owner’s');
    const first = await runner.claim();
    const lease = await proxy.lease();
    expect(Date.parse(lease.expiresAt) - bench.clock.now().getTime()).toBe(1000);
    await runner.report(runner.finished(first, { result: 'failed', code: 'test', message: 'Over.' }));
    expect(await lent(played)).toBe(OWNERS);
    await of(ann).api.send(id, 'ann’s');
    expect(await proxy.tryLease()).toMatchObject({ status: 503, body: { code: 'not-ready' } });
    // The proxy may still hold the owner's key.
    expect((await runner.tryClaim()).status).toBe(204);
    bench.clock.advance(1000);
    expect((await runner.tryClaim()).status).toBe(204);
    bench.clock.advance(250);
    const second = await runner.claim();
    expect(second.text).toBe('ann’s');
    expect(await lent(played)).toBe(ANNS);
    // A word that comes late about the first one's credential is no receipt of the second one's turn.
    await proxy.report(proxy.served(lease));
    expect(await bench.sql('SELECT 1 FROM receipt WHERE turn_id = $1', [second.turnId])).toEqual([]);
  });

  it('does not make a person wait for themselves, nor for the organization’s', async () => {
    const played = await shared();
    const { id, runner } = played;
    await bench.api.setCredential('organization', 'anthropic_api_key', { apiKey: ORGANIZATIONS });
    for (const person of [of(ann), of(bob), of(bob), bench.owner, bench.owner]) {
      await person.api.send(id, 'work');
      const turn = await runner.claim();
      await lent(played);
      await runner.report(runner.finished(turn, { result: 'failed', code: 'test', message: 'Over.' }));
    }
  });

  it('is nobody any more, once who wrote it was removed', async () => {
    const played = await shared();
    const { id, runner } = played;
    await bench.api.setCredential('organization', 'anthropic_api_key', { apiKey: ORGANIZATIONS });
    await of(ann).api.send(id, 'work');
    await runner.claim();
    expect(await lent(played)).toBe(ORGANIZATIONS);
    await bench.api.call('DELETE', bench.api.path(`/members/${of(ann).userId}`), undefined, 204);
    expect(await lent(played)).toBe(403);
    expect((await runner.commands()).body.cancel).toHaveLength(1);
    // Not the owner's workspace that stopped: it goes on with who is left.
    expect((await bench.api.workspace(id)).state).toBe('running');
  });

  it('never mixes persons, whatever comes at once', async () => {
    const played = await shared();
    const { id, runner, proxy } = played;
    const people = [bench.owner, of(ann), of(bob)];
    const keys = new Map([
      [bench.owner.userId, OWNERS],
      [of(ann).userId, ANNS],
      [of(bob).userId, key('d')],
    ]);
    for (const { api, userId } of people)
      await api.setCredential('user', 'anthropic_api_key', { apiKey: keys.get(userId) });
    for (let round = 0; round < 6; round++) {
      const [now, next] = [people[round % 3], people[(round + 1) % 3]].map(of);
      wait();
      await now?.api.send(id, 'work');
      const turn = await runner.claim();
      await next?.api.send(id, 'next');
      // The turn ends, the next is claimed, and leases are asked for, all at once.
      const leases = Array.from({ length: 4 }, () => proxy.tryLease());
      const ended = runner.report(
        runner.finished(turn, { result: 'failed', code: 'test', message: 'Over.' }),
      );
      const claims = Array.from({ length: 2 }, () => runner.tryClaim());
      const answers = await Promise.all([...leases, proxy.tryLease()]);
      await ended;
      const claimed = (await Promise.all(claims)).find(
        // A claim that came before the end got the same turn again.
        ({ status, body }) => status === 200 && body.turnId !== turn.turnId,
      );
      const lentKeys = answers
        .filter(({ status }) => status === 200)
        .map(({ body }) => (body.secret as { apiKey: string }).apiKey);
      // Whatever is lent is still held by the proxy: the next turn may have begun only where that is its author's own.
      const holder = claimed ? next : now;
      for (const lentKey of lentKeys) expect(lentKey).toBe(keys.get(holder?.userId ?? ''));
      wait();
      const other = claimed?.body ?? (await runner.claim());
      expect(await lent(played)).toBe(keys.get(next?.userId ?? ''));
      await runner.report(runner.finished(other, { result: 'failed', code: 'test', message: 'Over.' }));
    }
  });
});
