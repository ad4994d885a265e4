import { repliesIn, writeConversation } from '../../../test/support/conversations.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { withClient } from '../../../test/support/tables.js';
import { FakeClock } from '../../kernel/index.js';
import type { ReplyAbout, ReplyContent } from './content.js';
import { Replies } from './replies.service.js';
import { ReplyRhythm } from './reply-rhythm.js';
import type { ReplyToSend, SendOutcome } from './sender.js';
import { Sending } from './sending.service.js';

const answer = (text: string): ReplyContent => ({ type: 'answer', text });
const progress = (text: string): ReplyContent => ({ type: 'progress', text });

describe('replies', () => {
  const clock = new FakeClock();
  let app: TestApp;
  /** Another process of the same Berth. */
  let beside: TestApp;
  let organization: TestOrganization;
  /** What the other system was told, and how it answers. */
  let told: (ReplyToSend & { at: number })[];
  let answers: (job: ReplyToSend) => Promise<SendOutcome>;

  beforeAll(async () => {
    app = await startTestApp({ clock });
    beside = await startTestApp({ clock, beside: app });
    for (const each of [app, beside])
      each.app.get(Replies).sentBy('github', (job) => {
        told.push({ ...job, at: clock.now().getTime() });
        return answers(job);
      });
  });
  beforeEach(async () => {
    told = [];
    answers = () => Promise.resolve({ outcome: 'sent' });
    organization = await app.founded(`o${app.world.ids.next().slice(-8)}`);
  });
  afterAll(async () => {
    await beside.close();
    await app.close();
  });

  const converse = (changes?: Record<string, unknown>, whose = organization): Promise<string> =>
    writeConversation(app.database.ownerUrl, whose.id, changes);
  const add = (
    conversationId: string,
    key: string,
    content: ReplyContent,
    whose = organization,
    about: ReplyAbout = {},
  ): Promise<void> =>
    app.parts.database.tenant(whose.id, (tenant) =>
      app.app.get(Replies).add(tenant, conversationId, { key, content, about }),
    );
  const send = (conversationId: string, from = app, whose = organization): Promise<boolean> =>
    from.app.get(Sending).send(whose.id, conversationId);
  const rows = (conversationId: string) => repliesIn(app.database.ownerUrl, conversationId);
  const texts = (): unknown[] =>
    told.map(({ reply: { content } }) => ('text' in content ? content.text : content.type));
  const query = (text: string, values: unknown[]) =>
    withClient(app.database.ownerUrl, (client) => client.query(text, values));

  it('are said once per cause and in their order, with what their cause told', async () => {
    const id = await converse();
    await Promise.all(['a', 'a', 'a'].map((key) => add(id, key, answer('first'))));
    await add(id, 'b', answer('second'));
    answers = ({ reply }) =>
      Promise.resolve({
        outcome: 'sent',
        externalId: `x-${reply.id}`,
        made: { [`m${told.length}`]: told.length },
      });
    await send(id);
    expect(texts()).toEqual(['first', 'second']);
    expect(told[0]?.reply).toMatchObject({ attempts: 0, about: {} });
    expect(told[1]?.conversation).toMatchObject({ id, subject: { installationId: '1' }, made: { m1: 1 } });
    expect(await rows(id)).toMatchObject([
      { key: 'a', state: 'sent', attempts: 1, externalId: `x-${told[0]?.reply.id}` },
      { key: 'b', state: 'sent', attempts: 1 },
    ]);
  });

  it('of a transaction that is rolled back are not said', async () => {
    const id = await converse();
    const broken = app.parts.database.tenant(organization.id, async (tenant) => {
      await app.app.get(Replies).add(tenant, id, { key: 'a', content: answer('no') });
      throw new Error('killed');
    });
    await expect(broken).rejects.toThrow('killed');
    await send(id);
    expect(texts()).toEqual([]);
  });

  it('are said again under the same id when nobody wrote down that they were said', async () => {
    const id = await converse();
    await add(id, 'a', answer('once'));
    await add(id, 'b', answer('then'));
    // Said, and then the process is gone: another is on it when this one comes to write.
    answers = async ({ reply, conversation }) => {
      if (told.length === 1)
        await query('UPDATE reply SET attempts = attempts + 1 WHERE conversation_id = $1 AND id = $2', [
          conversation.id,
          reply.id,
        ]);
      return { outcome: 'sent' };
    };
    await send(id);
    // While that one may be alive, nothing is said.
    expect(texts()).toEqual(['once']);
    clock.advance(14_000);
    await send(id, beside);
    expect(texts()).toEqual(['once']);
    clock.advance(2_000);
    await send(id, beside);
    expect(texts()).toEqual(['once', 'once', 'then']);
    expect(told[1]?.reply).toMatchObject({ externalKey: told[0]?.reply.externalKey, attempts: 2 });
    expect(told[0]?.reply.externalKey).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect(await rows(id)).toMatchObject([{ state: 'sent' }, { state: 'sent' }]);
  });

  it('are said by one of two workers that come at once', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => converse({ subject: {} })));
    for (const id of ids) await add(id, 'a', answer(id));
    await Promise.all(ids.flatMap((id) => [send(id), send(id, beside), send(id), send(id, beside)]));
    expect(texts().sort()).toEqual([...ids].sort());
  });

  it('that failed are tried again in their order, later each time', async () => {
    const id = await converse();
    await add(id, 'a', answer('a'));
    await add(id, 'b', answer('b'));
    const begun = clock.now().getTime();
    answers = () =>
      told.length < 4 ? Promise.reject(new Error('no')) : Promise.resolve({ outcome: 'sent' });
    for (let second = 0; second < 30; second++) {
      await app.app.get(Sending).send(organization.id, id);
      clock.advance(1_000);
    }
    expect(texts()).toEqual(['a', 'a', 'a', 'a', 'b']);
    // 2, 4 and 8 s, and up to a quarter more.
    const [, second = 0, third = 0, fourth = 0] = told.map(({ at }) => (at - begun) / 1000);
    expect(second).toBeGreaterThanOrEqual(2);
    expect(third - second).toBeGreaterThanOrEqual(4);
    expect(fourth - third).toBeGreaterThanOrEqual(8);
    expect(fourth).toBeLessThan(20);
    expect(await rows(id)).toMatchObject([{ state: 'sent', attempts: 4 }, { state: 'sent' }]);
  });

  it('wait as long as their system says, and all of its installation when it says so', async () => {
    const other = await app.founded(`p${app.world.ids.next().slice(-8)}`);
    const [one, two] = [await converse(), await converse()];
    const third = await converse({}, other);
    await add(one, 'a', answer('one'));
    await add(two, 'a', answer('two'));
    await add(third, 'a', answer('other'), other);
    answers = () =>
      Promise.resolve(
        told.length === 1
          ? { outcome: 'later', retryAfterSeconds: 90, reason: 'Too many requests.', forAll: true }
          : { outcome: 'sent' },
      );
    await send(one);
    await send(two);
    await send(third, app, other);
    expect(texts()).toEqual(['one', 'other']);
    expect(await rows(one)).toMatchObject([{ state: 'waiting', error: 'Too many requests.' }]);
    clock.advance(120_000);
    await send(one);
    await send(two);
    expect(texts()).toEqual(['one', 'other', 'one', 'two']);
  });

  it('say signs of life while another reply is on its way', async () => {
    const id = await converse();
    await add(id, 'a', answer('slow'));
    let release: () => void = () => undefined;
    answers = ({ reply }) =>
      reply.content.type === 'seen'
        ? Promise.resolve({ outcome: 'sent' })
        : new Promise((resolve) => (release = () => resolve({ outcome: 'sent' })));
    const slow = send(id);
    await eventually('the slow one is on its way', () => told.length === 1);
    await add(id, 'b', answer('after'));
    await add(id, 'c', { type: 'seen' });
    await send(id, beside);
    expect(texts()).toEqual(['slow', 'seen']);
    answers = () => Promise.resolve({ outcome: 'sent' });
    release();
    await slow;
    expect(texts()).toEqual(['slow', 'seen', 'after']);
  });

  it('give no sign of life for what has ended, and give it for what has not', async () => {
    const id = await converse();
    const to = (askKey: string, key: string, content: ReplyContent): Promise<void> =>
      add(id, `${key}/${askKey}`, content, organization, { askKey });
    for (const ask of ['one', 'two']) await to(ask, 'seen', { type: 'seen' });
    answers = ({ reply }) =>
      Promise.resolve(
        reply.content.type === 'seen'
          ? { outcome: 'later', retryAfterSeconds: 60, reason: 'busy' }
          : { outcome: 'sent' },
      );
    await send(id);
    await to('one', 'end', answer('done'));
    await to('two', 'progress', progress('at it'));
    await send(id);
    answers = () => Promise.resolve({ outcome: 'sent' });
    clock.advance(61_000);
    await send(id);
    expect(told.map(({ reply: { content, about } }) => `${content.type} ${about.askKey ?? ''}`)).toEqual([
      ...['seen one', 'seen two'],
      ...['answer one', 'progress two'],
      'seen two',
    ]);
    expect((await rows(id)).map(({ key, state }) => `${key} ${state}`)).toEqual([
      ...['seen/one dropped', 'seen/two sent', 'end/one sent', 'progress/two sent'],
    ]);
  });

  it('of progress are folded into the newest', async () => {
    const id = await converse();
    for (const n of [1, 2, 3]) await add(id, `p${n}`, progress(`${n}`));
    await add(id, 'a', answer('done'));
    await send(id);
    expect(texts()).toEqual(['3', 'done']);
    expect((await rows(id)).map(({ state }) => state)).toEqual(['dropped', 'dropped', 'sent', 'sent']);
  });

  it('are dropped when their system or their conversation says so, and wait while it pauses', async () => {
    const counted_from = clock.now();
    const id = await converse({ state: 'paused', state_reason: 'It went in circles.', counted_from });
    await add(id, 'a', answer('a'));
    await add(id, 's', { type: 'seen' });
    await add(id, 'p', { type: 'paused', text: 'It is paused.' });
    await send(id);
    // That, and nothing else: what went in circles would go on with it.
    expect(texts()).toEqual(['It is paused.']);
    await query(`DELETE FROM reply WHERE conversation_id = $1 AND key = 's'`, [id]);
    clock.advance(3599_000);
    await send(id);
    expect(texts()).toEqual(['It is paused.']);
    // Over by itself, also when nobody has written since.
    clock.advance(61_000);
    answers = () => Promise.resolve({ outcome: 'dropped', reason: 'The comment is gone.' });
    await send(id);
    const ends = [{ state: 'dropped', error: 'The comment is gone.' }, { state: 'sent' }];
    expect(await rows(id)).toMatchObject(ends);
    await add(id, 'b', answer('b'));
    await query(
      `UPDATE conversation SET state = 'closed', state_reason = 'It was uninstalled.', is_over = true WHERE id = $1`,
      [id],
    );
    await send(id);
    expect(await rows(id)).toMatchObject([...ends, { state: 'dropped', error: 'It was uninstalled.' }]);
    expect(texts()).toEqual(['It is paused.', 'a']);
  });

  it('are given up after a day, and what comes after them is not', async () => {
    const id = await converse();
    await add(id, 'a', answer('old'));
    clock.advance(24 * 3600_000 + 1);
    await add(id, 'b', answer('new'));
    await send(id);
    expect(texts()).toEqual(['new']);
    expect(await rows(id)).toMatchObject([
      { state: 'failed', error: 'It could not be said in time.' },
      { state: 'sent' },
    ]);
  });

  it('that nobody here understands hold up nothing', async () => {
    const id = await converse();
    await add(id, 'a', answer('a'));
    await add(id, 'b', answer('b'));
    await query(
      `UPDATE reply SET content = '{"content": {"type": "song"}, "about": {}}' WHERE conversation_id = $1 AND key = 'a'`,
      [id],
    );
    await send(id);
    await send(id);
    expect(texts()).toEqual(['b']);
    expect(await rows(id)).toMatchObject([
      { state: 'failed', error: 'It is not understood.' },
      { state: 'sent' },
    ]);
  });

  it('keep under the limits of an installation, however many wait, and hold up no other', async () => {
    const other = await app.founded(`q${app.world.ids.next().slice(-8)}`);
    const ids: string[] = [];
    for (let n = 0; n < 90; n++) ids.push(await converse({ subject: { installationId: '7' } }));
    for (const id of ids) await add(id, 'a', { type: 'refused', text: id });
    const elsewhere = await converse({ subject: { installationId: '8' } }, other);
    for (const id of ids) await send(id);
    expect(told).toHaveLength(56);
    await add(elsewhere, 'a', answer('elsewhere'), other);
    answers = () => Promise.resolve({ outcome: 'sent', calls: 2 });
    await send(elsewhere, app, other);
    expect(texts().at(-1)).toBe('elsewhere');
    // As many as it took, and not as many as it might have taken.
    const budgets = await query('SELECT taken FROM reply_budget WHERE organization_id = $1', [other.id]);
    expect(budgets.rows).toMatchObject([{ taken: [{ calls: 2 }] }]);
    told.pop();
    for (let round = 0; told.length < 90 && round < 60; round++) {
      clock.advance(10_000);
      const due = await app.parts.system.conversations.withDueReplies(clock.now(), 500);
      for (const { organizationId, conversationId } of due)
        await app.app.get(Sending).send(organizationId, conversationId);
    }
    expect(new Set(texts())).toEqual(new Set(ids));
    expect(told).toHaveLength(90);
    const times = told.map(({ at }) => at);
    for (const [index, at] of times.entries()) {
      const minute = times.slice(0, index + 1).filter((each) => at - each < 60_000);
      expect(minute.length).toBeLessThanOrEqual(56);
    }
  });
});

describe('the rhythm', () => {
  it('finds a reply whose job was lost, and tells how old the oldest is', async () => {
    const app = await startTestApp({ worker: true });
    try {
      const organization = await app.founded('acme');
      const told: string[] = [];
      const sender = (job: ReplyToSend): Promise<SendOutcome> => {
        told.push(job.reply.id);
        return Promise.resolve({ outcome: 'sent' });
      };
      const id = await writeConversation(app.database.ownerUrl, organization.id);
      const lost = app.world.ids.next();
      await withClient(app.database.ownerUrl, (client) =>
        client.query(
          `INSERT INTO reply (id, organization_id, conversation_id, seq, key, content, state, next_at, created_at)
           VALUES ($1, $2, $3, 1, 'a', '{"content": {"type": "seen"}, "about": {}}', 'waiting', now(), now() - interval '9 minutes')`,
          [lost, organization.id, id],
        ),
      );
      const oldest = await app.parts.system.conversations.oldestWaitingReply();
      expect(oldest?.getTime()).toBeLessThan(Date.now() - 500_000);
      app.app.get(Replies).sentBy('github', sender);
      app.app.get(ReplyRhythm).start();
      await eventually('it is said', () => told.includes(lost));
      await eventually(
        'nothing waits',
        async () => (await app.parts.system.conversations.oldestWaitingReply()) === null,
      );
      expect(told).toEqual([lost]);
    } finally {
      await app.close();
    }
  });
});
