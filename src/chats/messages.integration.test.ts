import { Bench } from '../../test/support/bench.js';
import type { MessageView } from '../contracts/index.js';

interface Page {
  items: MessageView[];
  nextCursor: string | null;
}

describe('messages', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());
  const page = async (id: string, query: string): Promise<Page> =>
    (await bench.api.get<Page>(bench.api.path(`/workspaces/${id}/messages${query}`))).body;

  it('come with the workspace, or neither is made', async () => {
    const { id } = await bench.create({ message: 'hello' });
    expect(await bench.api.messages(id)).toEqual([
      expect.objectContaining({
        seq: 1,
        author: { type: 'user', id: bench.owner.userId, name: bench.owner.name },
        text: 'hello',
        state: 'queued',
        attempts: 0,
        receipts: [],
      }),
    ]);
    const count = async () => (await bench.sql('SELECT 1 FROM workspace')).length;
    const before = await count();
    await bench.sql('ALTER TABLE message ADD CONSTRAINT broken CHECK (false) NOT VALID');
    expect(
      (await bench.api.call('POST', bench.api.path('/workspaces'), { repository: 'acme/app', message: 'x' }))
        .status,
    ).toBe(500);
    await bench.sql('ALTER TABLE message DROP CONSTRAINT broken');
    expect(await count()).toBe(before);
  });

  it('get their numbers in the order of commits, also when many people’s tabs send at once', async () => {
    const { id } = await bench.create();
    const sent = await Promise.all(Array.from({ length: 12 }, (_, n) => bench.api.send(id, `message ${n}`)));
    expect(sent.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, n) => n + 1),
    );
    const listed = await bench.api.messages(id);
    expect(listed.map(({ seq }) => seq)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
    for (const message of sent) expect(listed[message.seq - 1]).toEqual(message);
    const told = await bench.eventsOf(id, 'message.state');
    expect(told.map(({ data }) => data.seq)).toEqual(listed.map(({ seq }) => seq));
  });

  it('are listed in pages, each once', async () => {
    const { id } = await bench.create();
    for (let n = 0; n < 5; n++) await bench.api.send(id, `message ${n}`);
    const seqs: number[] = [];
    let query = '?limit=2';
    for (;;) {
      const { items, nextCursor } = await page(id, query);
      seqs.push(...items.map(({ seq }) => seq));
      if (nextCursor === null) break;
      expect(items).toHaveLength(2);
      query = `?limit=2&cursor=${nextCursor}`;
    }
    expect(seqs).toEqual([1, 2, 3, 4, 5]);
  });

  it('keep whatever text people write', async () => {
    const { id } = await bench.create();
    for (const text of [
      '  spaces kept  \n',
      'line\nbreaks\r\n',
      '$(id) `id` ; --flag',
      '😀 ünïcödé \u202e',
      'x'.repeat(100_000),
    ]) {
      expect((await bench.api.send(id, text)).text).toBe(text);
    }
    expect((await bench.api.messages(id)).at(-1)?.text).toHaveLength(100_000);
    for (const text of ['', '   \n', 'a\u0000b', 'x'.repeat(100_001), 7, null]) {
      const { status } = await bench.api.call('POST', bench.api.path(`/workspaces/${id}/messages`), { text });
      expect(status).toBe(422);
    }
  });

  it('are their owner’s alone', async () => {
    const { id } = await bench.create({ message: 'private' });
    const admin = await bench.app.member(bench.organization, 'admin');
    const member = await bench.app.member(bench.organization, 'member');
    for (const [{ api }, status] of [
      [admin, 403],
      [member, 404],
    ] as const) {
      const path = api.path(`/workspaces/${id}/messages`);
      expect((await api.call('GET', path)).status).toBe(status);
      expect((await api.call('POST', path, { text: 'x' })).status).toBe(status);
      const [message] = await bench.api.messages(id);
      expect((await api.call('POST', `${path}/${message?.id ?? ''}/cancel`)).status).toBe(status);
    }
    // An admin stops and deletes it all the same.
    expect((await admin.api.call('POST', admin.api.path(`/workspaces/${id}/hibernate`))).status).toBe(202);
    expect((await admin.api.call('POST', admin.api.path(`/workspaces/${id}/wake`))).status).toBe(403);
    expect((await member.api.call('DELETE', member.api.path(`/workspaces/${id}`))).status).toBe(404);
    expect((await admin.api.call('DELETE', admin.api.path(`/workspaces/${id}`))).status).toBe(202);
  });
});
