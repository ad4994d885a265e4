import { randomUUID } from 'node:crypto';
import { Bench } from '../../../test/support/bench.js';
import { repliesIn, writeConversation } from '../../../test/support/conversations.js';
import { writeWorkspace } from '../../../test/support/rows.js';
import { SystemStore } from '../../database/index.js';
import { ExternalAccounts, type ExternalPerson } from '../../identity/index.js';
import { Asks, Conversations, Replies, type Ask, type ReplyToSend, type SendOutcome } from '../index.js';
import { Sending } from '../replies/sending.service.js';
import { Settling } from './settling.service.js';

const AWAY = { reason: 'The App is suspended there.', isOver: false };
const REMOVED = { reason: 'The App was uninstalled.', isOver: true };

describe('conversations whose system leaves', () => {
  let bench: Bench;
  let conversations: Conversations;
  let ann: ExternalPerson;
  let told: ReplyToSend[];
  let said: SendOutcome;
  beforeAll(async () => {
    bench = await Bench.start();
    conversations = bench.app.app.get(Conversations, { strict: false });
    ann = {
      ...{ system: 'github', externalId: randomUUID(), handle: null, name: 'Ann', email: null },
      ...{ emailProven: false, isApp: false, isActive: true },
    };
    const accounts = bench.app.app.get(ExternalAccounts, { strict: false });
    await inside((tenant) =>
      accounts.link(tenant, { userId: bench.owner.userId, person: ann, proof: 'authorization' }),
    );
    bench.app.app.get(Replies, { strict: false }).sentBy('github', (job) => {
      told.push(job);
      return Promise.resolve(said);
    });
  });
  beforeEach(() => {
    told = [];
    said = { outcome: 'sent' };
  });
  afterAll(() => bench.close());

  const inside = <T>(
    work: Parameters<typeof bench.app.parts.database.tenant<T>>[1],
    of = bench.organization.id,
  ): Promise<T> => bench.app.parts.database.tenant(of, work);
  const ask = (change: Partial<Ask> = {}): Ask => {
    const number = randomUUID();
    return {
      organizationId: bench.organization.id,
      system: 'github',
      key: `comment/${randomUUID()}`,
      deliveryRowId: null,
      conversation: {
        key: `repository/1/pull/${number}`,
        url: `https://github.com/acme/app/pull/${number}`,
        subject: { number, installationId: number },
      },
      asker: ann,
      ...{ text: 'create hello.txt', title: 'Say hello', mayStart: true, readOnly: false },
      place: { repository: 'acme/app', ref: 'main' },
      about: { commentId: '5', commentKind: 'issue-comment' },
      ...change,
    };
  };
  const take = (one: Ask) => bench.app.app.get(Asks, { strict: false }).take(one);
  /** Whose subject says so, as one installation of the App is of them. */
  const of = ({ conversation }: Ask) => ({
    field: 'installationId',
    values: [conversation.subject.installationId as string],
  });
  const close = (one: Ask, closing = AWAY): Promise<void> =>
    inside((tenant) => conversations.closeAll(tenant, 'github', of(one), closing));
  const open = (one: Ask, reached = {}): Promise<void> =>
    inside((tenant) => conversations.openAll(tenant, 'github', of(one), reached));
  const settle = (organizationId = bench.organization.id, signal?: AbortSignal): Promise<void> =>
    bench.app.app.get(Settling, { strict: false }).settle(organizationId, signal);
  const send = (conversationId: string): Promise<boolean> =>
    bench.app.app.get(Sending, { strict: false }).send(bench.organization.id, conversationId);
  const states = async (workspaceId = ''): Promise<unknown[]> =>
    (await bench.eventsOf(workspaceId, 'conversation.state')).map(({ data }) => data);
  const conversation = async (id: string) =>
    (
      await bench.sql('SELECT state, state_reason, is_settled, subject FROM conversation WHERE id = $1', [id])
    )[0];

  it('end what was asked there and nothing else, say why, and go on when it is back', async () => {
    const one = ask();
    const { conversationId, workspaceId = '' } = await take(one);
    const { runner } = await bench.started(workspaceId);
    await runner.start();
    await runner.claim();
    await take({ ...ask(), conversation: one.conversation });
    const own = await bench.api.send(workspaceId, 'said in Berth');
    await send(conversationId);
    told = [];

    await close(one);
    await Promise.all([settle(), settle()]);
    const [first, second, third] = await bench.api.messages(workspaceId);
    // The runner ends what is under way; what waited is over.
    expect((await runner.commands()).body).toMatchObject({ cancel: [first?.id] });
    expect(second?.state).toBe('canceled');
    expect(third).toMatchObject({ id: own.id, state: 'queued' });
    const { url } = one.conversation;
    expect(await states(workspaceId)).toEqual([{ state: 'closed', reason: AWAY.reason, url }]);
    expect(await conversation(conversationId)).toMatchObject({ state: 'closed', is_settled: true });
    const listed = await bench.api.get(bench.api.path('/conversations'));
    expect(JSON.stringify(listed.body)).toContain(AWAY.reason);
    // Told twice it is the same.
    await close(one);
    await settle();
    expect(await states(workspaceId)).toHaveLength(1);

    // What is to be said waits, and is said when somebody can hear it.
    await send(conversationId);
    expect(told).toEqual([]);
    await open(one, { installationId: 'another' });
    await settle();
    await send(conversationId);
    expect(told.map(({ reply }) => reply.content)).toEqual([
      { type: 'stopped', text: `Stopped: ${AWAY.reason} Write again and it goes on.` },
      { type: 'stopped', text: `Stopped: ${AWAY.reason} Write again and it goes on.` },
    ]);
    expect(told[0]?.reply.about).toEqual({ askKey: one.key, commentId: '5', commentKind: 'issue-comment' });
    expect(told[0]?.conversation.subject).toMatchObject({ installationId: 'another' });
    expect(await states(workspaceId)).toEqual([
      { state: 'closed', reason: AWAY.reason, url },
      { state: 'open', url },
    ]);
    expect(await take({ ...ask(), conversation: one.conversation })).toMatchObject({ outcome: 'continued' });
  });

  it('say at once what could not be said while it was away, and let be what somebody is at', async () => {
    const one = ask();
    const { conversationId } = await take(one);
    said = { outcome: 'later', reason: 'The App is suspended.', retryAfterSeconds: 60 };
    await send(conversationId);
    const tried = told.length;
    expect(tried).toBeGreaterThan(0);
    await close(one);
    await settle();
    await open(one);
    await settle();
    const due = (): Promise<Record<string, unknown>[]> =>
      bench.sql('SELECT next_at <= $2 AS due, error FROM reply WHERE conversation_id = $1', [
        conversationId,
        bench.clock.now(),
      ]);
    expect((await due()).map((row) => row.due)).toEqual([true, true, true]);
    // Under way, until then nobody else is on it.
    await bench.sql(`UPDATE reply SET attempts = 2, error = NULL, next_at = $2 WHERE conversation_id = $1`, [
      conversationId,
      new Date(bench.clock.now().getTime() + 15_000),
    ]);
    await close(one);
    await settle();
    await open(one);
    await settle();
    expect((await due()).map((row) => row.due)).toEqual([false, false, false]);
  });

  it('keep what is to be said for as long as it is worth saying', async () => {
    const one = ask();
    const { conversationId } = await take(one);
    await close(one);
    await settle();
    bench.clock.advance(25 * 3_600_000);
    await send(conversationId);
    await open(one);
    await settle();
    await send(conversationId);
    expect(told).toEqual([]);
    const states = (await repliesIn(bench.app.database.ownerUrl, conversationId)).map(({ state }) => state);
    expect(new Set(states)).toEqual(new Set(['failed']));
  });

  it('drop it, and what waited for somebody, where Berth was removed', async () => {
    const one = ask();
    const { conversationId, workspaceId } = await take(one);
    const who = { ...ann, externalId: randomUUID() };
    const waiting = { ...ask(), conversation: one.conversation, asker: who };
    expect(await take(waiting)).toMatchObject({ outcome: 'awaiting-link' });
    // Suspended first, and uninstalled then: the last word counts.
    await close(one);
    await settle();
    await close(one, REMOVED);
    await settle();
    await send(conversationId);
    const rows = await repliesIn(bench.app.database.ownerUrl, conversationId);
    expect(rows.map(({ type }) => type)).toEqual(['seen', 'started', 'connect', 'stopped']);
    for (const row of rows) expect(row).toMatchObject({ state: 'dropped', error: REMOVED.reason });
    expect(await bench.sql('SELECT state, outcome FROM ask WHERE key = $1', [waiting.key])).toEqual([
      { state: 'refused', outcome: 'refused-disconnected' },
    ]);
    expect(await states(workspaceId)).toMatchObject([{ reason: AWAY.reason }, { reason: REMOVED.reason }]);
    await open(one);
    await settle();
    await send(conversationId);
    expect(told).toEqual([]);
  });

  it('begin nothing that was decided on while it left', async () => {
    const one = ask();
    await close(one);
    const before = await bench.sql('SELECT id FROM workspace');
    const isConnected = (): Promise<boolean> => Promise.resolve(false);
    await expect(take({ ...one, isConnected })).rejects.toMatchObject({ code: 'not-connected' });
    expect(await bench.sql('SELECT id FROM workspace')).toEqual(before);
    expect(await bench.sql('SELECT 1 FROM ask WHERE key = $1', [one.key])).toEqual([]);
    expect(await take({ ...one, isConnected: () => Promise.resolve(true) })).toMatchObject({
      outcome: 'started',
    });
  });

  it('are settled once each, however often it is killed in the middle and by however many', async () => {
    const { ownerUrl } = bench.app.database;
    const { organizationId, workspaceId } = await writeWorkspace(ownerUrl, { state: 'hibernated' });
    const count = 250;
    for (let number = 0; number < count; number++)
      await writeConversation(ownerUrl, organizationId, { workspace_id: workspaceId });
    const meant = { field: 'installationId', values: ['1'] };
    await inside((tenant) => conversations.closeAll(tenant, 'github', meant, AWAY), organizationId);
    const told = async (): Promise<number> =>
      Number(
        (
          await bench.sql(
            `SELECT count(*)::int AS n FROM event WHERE workspace_id = $1 AND type = 'conversation.state'`,
            [workspaceId],
          )
        )[0]?.n,
      );
    const system = bench.app.app.get(SystemStore, { strict: false });
    for (let round = 0; round < 3; round++) {
      const killed = new AbortController();
      const settling = settle(organizationId, killed.signal);
      const beside = settle(organizationId, killed.signal);
      while ((await told()) < 20 * (round + 1)) await Promise.resolve();
      killed.abort();
      await expect(settling).rejects.toMatchObject({ code: 'not-ready' });
      await expect(beside).rejects.toMatchObject({ code: 'not-ready' });
      // Whatever became of their jobs, the rows say whose are left.
      expect(await system.conversations.withUnsettled()).toContain(organizationId);
    }
    await settle(organizationId);
    expect(await told()).toBe(count);
    expect(await system.conversations.withUnsettled()).not.toContain(organizationId);
  });
});
