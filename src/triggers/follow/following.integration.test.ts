import { insertRow, repliesIn, writeConversation } from '../../../test/support/conversations.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestApp, type TestApp } from '../../../test/support/app.js';
import { writeWorkspace, type WorkspaceRows } from '../../../test/support/rows.js';
import { withClient } from '../../../test/support/tables.js';
import { eventsStore, type NewEvent } from '../../events/index.js';
import { FollowRhythm } from './follow-rhythm.js';
import { Following } from './following.service.js';

describe('a workspace is followed', () => {
  let app: TestApp;
  let rows: WorkspaceRows;

  beforeAll(async () => {
    app = await startTestApp({ worker: true });
  });
  beforeEach(async () => {
    rows = await writeWorkspace(app.database.ownerUrl, { state: 'hibernated', desired_state: 'hibernated' });
  });
  afterAll(() => app.close());

  const owner = <T>(work: Parameters<typeof withClient<T>>[1]): Promise<T> =>
    withClient(app.database.ownerUrl, work);
  const conversation = (changes: Record<string, unknown> = {}): Promise<string> =>
    writeConversation(app.database.ownerUrl, rows.organizationId, {
      workspace_id: rows.workspaceId,
      ...changes,
    });
  const append = (...events: Omit<NewEvent, 'at'>[]): Promise<void> =>
    app.parts.database.tenant(rows.organizationId, (tenant) =>
      eventsStore.append(
        tenant,
        rows.workspaceId,
        events.map((event) => ({ ...event, at: new Date() })),
      ),
    );
  /** Something asked in a conversation: the message's id. */
  const ask = async (conversationId: string, about: Record<string, unknown> = {}): Promise<string> => {
    const message = app.world.ids.next();
    const at = new Date();
    await owner((client) =>
      insertRow(client, 'ask', {
        ...{
          id: app.world.ids.next(),
          organization_id: rows.organizationId,
          system: 'github',
          key: `ask/${message}`,
        },
        ...{ conversation_id: conversationId, state: 'taken', outcome: 'continued', decision: { about } },
        ...{ message_id: message, created_at: at, updated_at: at },
      }),
    );
    return message;
  };
  const answered = (turn: string, text: string): Promise<void> =>
    owner((client) =>
      insertRow(client, 'message', {
        ...{ id: app.world.ids.next(), organization_id: rows.organizationId, workspace_id: rows.workspaceId },
        ...{
          seq: 1,
          author_type: 'agent',
          author_name: 'Claude',
          text,
          turn_id: turn,
          created_at: new Date(),
        },
      }),
    );
  const said = async (conversationId: string): Promise<unknown[]> =>
    (await repliesIn(app.database.ownerUrl, conversationId)).map(({ key, type }) => [key, type]);
  const cursor = (conversationId: string): Promise<number> =>
    owner(async (client) => {
      const { rows: found } = await client.query<{ at: number }>(
        'SELECT event_cursor AS at FROM conversation WHERE id = $1',
        [conversationId],
      );
      return found[0]?.at ?? -1;
    });

  it('each turn in the conversation that asked, its answer once, and no sleeper is woken', async () => {
    const [one, two] = [await conversation(), await conversation({ key: 'repository/1/issue/2' })];
    const [first, second] = [await ask(one, { commentId: '7' }), await ask(two)];
    await answered(first, 'It is done.');
    const completed = { type: 'message.state', data: { messageId: first, state: 'completed' } } as const;
    await append(
      { type: 'agent.tool', data: { messageId: first, name: 'Bash', state: 'started', summary: 'ls' } },
      completed,
    );
    await eventually('the answer is there', async () => (await said(one)).length === 2);
    await append({ type: 'message.state', data: { messageId: second, state: 'canceled' } });
    await eventually('the other is told', async () => (await said(two)).length === 1);
    // Both at once, again and again: each once.
    const following = app.app.get(Following);
    await Promise.all(
      Array.from({ length: 5 }, () => following.follow(rows.organizationId, rows.workspaceId)),
    );
    expect(await said(one)).toEqual([
      ['event/1', 'progress'],
      [`end/${first}`, 'answer'],
    ]);
    expect(await said(two)).toEqual([[`end/${second}`, 'stopped']]);
    const [, answer] = await repliesIn(app.database.ownerUrl, one);
    expect(answer).toMatchObject({
      content: { text: 'It is done.' },
      about: { askKey: `ask/${first}`, commentId: '7' },
    });
    const state = await owner((client) =>
      client.query('SELECT state, desired_state FROM workspace WHERE id = $1', [rows.workspaceId]),
    );
    expect(state.rows).toEqual([{ state: 'hibernated', desired_state: 'hibernated' }]);
  });

  it('from where its conversation begins, and through pages of words', async () => {
    await append({ type: 'workspace.state', data: { state: 'hibernated' } });
    const id = await conversation({ event_cursor: 1 });
    const turn = await ask(id);
    const words = Array.from({ length: 450 }, (_, n) => ({
      type: 'agent.text' as const,
      data: { messageId: turn, text: `${n} ` },
    }));
    await append(...words, { type: 'message.state', data: { messageId: turn, state: 'completed' } });
    await eventually('it is at the end', async () => (await cursor(id)) === 452);
    // Two full looks of words, and the answer; the last words belong to it.
    expect((await said(id)).map((each) => (each as string[])[1])).toEqual(['progress', 'progress', 'answer']);
  });

  describe('where silence is taken for an end', () => {
    const ago = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);
    const turn = (id: string, seq: number, state: string): Promise<void> =>
      owner((client) =>
        insertRow(client, 'turn', {
          ...{ id, organization_id: rows.organizationId, workspace_id: rows.workspaceId, seq, state },
          ...{ created_at: ago(60), started_at: ago(50) },
        }),
      );
    /** As something that was said there so many minutes ago. */
    const saidIn = (
      id: string,
      seq: number,
      minutes: number,
      content: object,
      askKey: string,
      word = 'a',
    ): Promise<void> =>
      owner(async (client) => {
        await insertRow(client, 'reply', {
          ...{ id: app.world.ids.next(), organization_id: rows.organizationId, conversation_id: id, seq },
          ...{ key: `event/${seq}`, content: { content, about: { askKey } }, state: 'sent' },
          ...{ created_at: ago(minutes), sent_at: ago(minutes), external_id: word || null },
        });
        await client.query('UPDATE conversation SET last_reply_seq = $2 WHERE id = $1', [id, seq]);
      });
    const goingOn = async (id: string): Promise<unknown[]> =>
      (await repliesIn(app.database.ownerUrl, id)).filter(({ key }) => key.startsWith('going-on/'));
    const followed = (): Promise<unknown> =>
      Promise.all(
        Array.from({ length: 5 }, () => app.app.get(Following).follow(rows.organizationId, rows.workspaceId)),
      );

    beforeEach(async () => {
      rows = await writeWorkspace(app.database.ownerUrl);
    });

    it('says once that a turn goes on, with what it is at; of others of the workspace nothing', async () => {
      const [id, other] = [
        await conversation({ system: 'linear', key: 'session/1' }),
        await conversation({ system: 'linear', key: 'session/2' }),
      ];
      const asked = await ask(id);
      await turn(asked, 1, 'running');
      const tool = { name: 'Bash', parameter: 'make world' };
      await saidIn(id, 1, 21, { type: 'progress', text: '', tool }, `ask/${asked}`);
      // No word there: a session with a new plan is as silent as before.
      await saidIn(id, 2, 1, { type: 'plan', items: [] }, `ask/${asked}`, '');
      await saidIn(other, 1, 21, { type: 'progress', text: '' }, 'ask/none');
      await app.app.get(FollowRhythm).askForAll();
      await eventually('it is said', async () => (await goingOn(id)).length === 1);
      // Whoever looks again, and however many at once.
      await followed();
      expect(await goingOn(id)).toMatchObject([
        {
          type: 'progress',
          content: { text: 'Still working: Bash make world' },
          about: { askKey: `ask/${asked}` },
        },
      ]);
      expect(await goingOn(other)).toEqual([]);
    });

    it('says it again after as long a silence, and never after the end', async () => {
      const id = await conversation({ system: 'linear' });
      const asked = await ask(id);
      await turn(asked, 1, 'running');
      await saidIn(id, 1, 45, { type: 'seen' }, `ask/${asked}`);
      await followed();
      expect(await goingOn(id)).toHaveLength(1);
      const pass = (): Promise<unknown> =>
        owner((client) =>
          client.query(
            `UPDATE reply SET state = 'sent', sent_at = $2, created_at = $2, external_id = 'b' WHERE conversation_id = $1`,
            [id, ago(20)],
          ),
        );
      await pass();
      await followed();
      expect(await goingOn(id)).toHaveLength(2);
      await pass();
      await owner((client) => client.query(`UPDATE turn SET state = 'completed' WHERE id = $1`, [asked]));
      await followed();
      expect(await goingOn(id)).toHaveLength(2);
    });

    it.each([
      ['something was said a while ago', 'linear', 19, 'open', 'running'],
      ['silence is nothing there', 'github', 30, 'open', 'running'],
      ['the conversation is paused', 'linear', 30, 'paused', 'running'],
      ['nothing goes on', 'linear', 30, 'open', 'completed'],
    ])('says nothing where %s', async (_, system, minutes, state, turnState) => {
      const id = await conversation({ system, state });
      const asked = await ask(id);
      await turn(asked, 1, turnState);
      await saidIn(id, 1, minutes, { type: 'seen' }, `ask/${asked}`);
      await followed();
      expect(await goingOn(id)).toEqual([]);
    });
  });

  it('when nobody heard of its events, and not where nobody listens', async () => {
    const nobodys = rows;
    await append({ type: 'workspace.state', data: { state: 'hibernated' } });
    rows = await writeWorkspace(app.database.ownerUrl);
    await append({ type: 'workspace.state', data: { state: 'hibernated' } });
    const id = await conversation();
    const closed = await conversation({ key: 'repository/1/issue/9', state: 'closed' });
    const behind = await app.parts.system.conversations.behind(null, 10);
    expect(
      behind.filter((each) => [rows, nobodys].some((of) => of.workspaceId === each.workspaceId)),
    ).toEqual([{ organizationId: rows.organizationId, conversationId: id, workspaceId: rows.workspaceId }]);
    await app.app.get(FollowRhythm).askForAll();
    await eventually('it is told', async () => (await said(id)).length === 1);
    expect(await said(closed)).toEqual([]);
  });
});
