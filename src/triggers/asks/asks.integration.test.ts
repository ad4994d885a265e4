import { randomUUID } from 'node:crypto';
import { API_KEY, Bench } from '../../../test/support/bench.js';
import type { TestMember } from '../../../test/support/app.js';
import type { ExternalPerson } from '../../identity/index.js';
import { ExternalAccounts } from '../../identity/index.js';
import { Asks, Stops, type Ask } from '../index.js';
import { breaker } from './breaker.js';

describe('asks', () => {
  let bench: Bench;
  let asks: Asks;
  let stops: Stops;
  let accounts: ExternalAccounts;
  let ann: ExternalPerson;
  beforeAll(async () => {
    bench = await Bench.start();
    asks = bench.app.app.get(Asks, { strict: false });
    stops = bench.app.app.get(Stops, { strict: false });
    accounts = bench.app.app.get(ExternalAccounts, { strict: false });
    ann = await connected(bench.owner);
  });
  afterAll(() => bench.close());

  const person = (change: Partial<ExternalPerson> = {}): ExternalPerson => ({
    ...{ system: 'github', externalId: randomUUID(), handle: null, name: 'Somebody', email: null },
    ...{ emailProven: false, isApp: false, isActive: true },
    ...change,
  });
  const inside = <T>(work: Parameters<typeof bench.app.parts.database.tenant<T>>[1]): Promise<T> =>
    bench.app.parts.database.tenant(bench.organization.id, work);
  async function connected(member: TestMember, who = person()): Promise<ExternalPerson> {
    await inside((tenant) =>
      accounts.link(tenant, { userId: member.userId, person: who, proof: 'authorization' }),
    );
    return who;
  }
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
        subject: { number },
      },
      asker: ann,
      ...{ text: 'create hello.txt', title: 'Say\nhello', mayStart: true, readOnly: false },
      place: { repository: 'acme/app', ref: 'main' },
      about: { commentId: '5', commentKind: 'issue-comment' },
      ...change,
    };
  };
  const said = async (
    conversationId: string,
  ): Promise<{ type: string; key: string; about: object; text?: string }[]> =>
    (
      await bench.sql('SELECT key, content FROM reply WHERE conversation_id = $1 ORDER BY seq', [
        conversationId,
      ])
    ).map(({ key, content }) => {
      const { content: words, about } = content as { content: { type: string }; about: object };
      return { ...words, key: String(key), about };
    });
  const count = async (table: string): Promise<number> =>
    Number((await bench.sql(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n);

  it('start one workspace and one message, however many deliveries tell of them at once', async () => {
    const one = ask();
    const before = await count('workspace');
    const taken = await Promise.all(Array.from({ length: 20 }, () => asks.take(one)));
    expect(taken.filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
    expect(taken.filter(({ outcome }) => outcome === 'already-done')).toHaveLength(19);
    expect(await count('workspace')).toBe(before + 1);
    const { workspaceId = '', conversationId = '' } =
      taken.find(({ outcome }) => outcome === 'started') ?? {};
    const made = await bench.api.workspace(workspaceId);
    expect(made).toMatchObject({
      name: 'Say hello',
      ref: 'main',
      shared: false,
      origin: { type: 'github', url: one.conversation.url },
    });
    expect(await bench.api.messages(workspaceId)).toMatchObject([
      { text: 'create hello.txt', author: { id: bench.owner.userId } },
    ]);
    expect(await said(conversationId)).toMatchObject([
      { type: 'seen', about: { askKey: one.key, commentId: '5' } },
      { type: 'started', member: bench.owner.name, repository: 'acme/app', agent: 'claude' },
    ]);
    const [row] = await bench.sql('SELECT decision FROM workspace WHERE id = $1', [workspaceId]);
    expect(row?.decision).toMatchObject({
      asker: { externalId: ann.externalId },
      member: { userId: bench.owner.userId, proof: 'authorization' },
    });
    expect(await asks.isTaken(bench.organization.id, 'github', one.key)).toBe(true);
  });

  it('at once in one conversation share one workspace, and another member writes there with a share of their own', async () => {
    const bob = await bench.app.member(bench.organization, 'member');
    await bob.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const who = await connected(bob);
    const first = ask();
    const others = [ann, who, ann].map((asker) => ({ ...ask(), conversation: first.conversation, asker }));
    const taken = await Promise.all([first, ...others].map((one) => asks.take(one)));
    expect(taken.map(({ outcome }) => outcome).sort()).toEqual([
      'continued',
      'continued',
      'continued',
      'started',
    ]);
    const [workspaceId = ''] = new Set(taken.map((one) => one.workspaceId));
    const authors = await bench.sql('SELECT author_id FROM message WHERE workspace_id = $1', [workspaceId]);
    expect(authors.filter(({ author_id: id }) => id === bob.userId)).toHaveLength(1);
    // What is behind the conversation is not opened to anybody: reading it here stays its owner's.
    const [{ owner_id: ownerId } = {}] = await bench.sql('SELECT owner_id FROM workspace WHERE id = $1', [
      workspaceId,
    ]);
    const reader = ownerId === bob.userId ? bench.owner : bob;
    expect(
      (await reader.api.call('GET', reader.api.path(`/workspaces/${workspaceId}/messages`))).status,
    ).not.toBe(200);
  });

  it('of somebody who is not connected wait, and go on by themselves when they are', async () => {
    const carl = await bench.app.member(bench.organization, 'member');
    await carl.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const who = person();
    const deliveryRowId = randomUUID();
    await bench.sql(
      `INSERT INTO delivery (id, organization_id, system, delivery_id, event, state, outcome, body, received_at, finished_at)
       VALUES ($1, $2, 'github', $3, 'issue_comment', 'processed', 'awaiting-link', '{}', now(), now())`,
      [deliveryRowId, bench.organization.id, randomUUID()],
    );
    const one = ask({ asker: who, deliveryRowId, refusal: { reason: 'x', text: 'x' } });
    const { outcome, conversationId } = await asks.take(one);
    expect(outcome).toBe('awaiting-link');
    expect(await asks.take(one)).toMatchObject({ outcome: 'awaiting-link' });
    expect(await asks.take(ask({ asker: who }))).toMatchObject({ outcome: 'awaiting-link' });
    // Once: the second time there is an open link.
    expect(await said(conversationId)).toMatchObject([
      { type: 'connect', person: { externalId: who.externalId } },
    ]);
    // In a session of their own at Linear they are reminded, once, of the link that they have.
    const there = person({ system: 'linear' });
    const inLinear = (): Ask => ask({ system: 'linear', asker: there });
    await asks.take(inLinear());
    const [second, third] = [inLinear(), inLinear()];
    third.conversation = second.conversation;
    const { conversationId: session } = await asks.take(second);
    await asks.take(second);
    await asks.take(third);
    expect(await said(session)).toMatchObject([
      { type: 'refused', text: expect.stringContaining('link') as string },
    ]);
    expect(await asks.isTaken(bench.organization.id, 'github', one.key)).toBe(false);
    await connected(carl, who);
    expect(await bench.sql('SELECT state FROM delivery WHERE id = $1', [deliveryRowId])).toEqual([
      { state: 'received' },
    ]);
    const { refusal: _, ...again } = one;
    expect(await asks.take(again)).toMatchObject({ outcome: 'started' });
    expect(await asks.take(again)).toMatchObject({ outcome: 'already-done' });
  });

  it('of who was removed a moment ago, of apps and of nobody start nothing', async () => {
    const dora = await bench.app.member(bench.organization, 'member');
    const who = await connected(dora);
    await bench.api.call('DELETE', bench.api.path(`/members/${dora.userId}`), undefined, 204);
    const before = await count('workspace');
    expect(await asks.take(ask({ asker: who }))).toMatchObject({ outcome: 'awaiting-link' });
    const app = await asks.take(ask({ asker: person({ isApp: true }) }));
    expect(app.outcome).toBe('refused-app');
    expect(await said(app.conversationId)).toEqual([]);
    const nobody = await asks.take(ask({ asker: null }));
    expect(nobody.outcome).toBe('refused-automation');
    expect(await said(nobody.conversationId)).toMatchObject([{ type: 'refused' }]);
    expect(await count('workspace')).toBe(before);
  });

  it('are never served by another’s credentials: addresses equal but for case, one that changed, a name that was taken over', async () => {
    const newcomer = async (email: string): Promise<TestMember> => {
      const made = await bench.app.member(bench.organization, 'member');
      await made.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
      await bench.sql('UPDATE "user" SET email = $2, email_verified_at = now() WHERE id = $1', [
        made.userId,
        email,
      ]);
      return made;
    };
    const inLinear = (email: string, externalId: string = randomUUID()): ExternalPerson =>
      person({ system: 'linear', externalId, email, emailProven: true });
    /** Whose credentials serve what is asked: the author's of the turn, who also owns the workspace. */
    const servedBy = async (asker: ExternalPerson): Promise<string[]> => {
      const { outcome, workspaceId } = await asks.take(ask({ system: asker.system, asker }));
      if (workspaceId === undefined) return [outcome];
      const rows = await bench.sql(
        'SELECT owner_id, author_id FROM workspace w JOIN message m ON m.workspace_id = w.id WHERE w.id = $1',
        [workspaceId],
      );
      return [outcome, ...new Set(rows.flatMap((row) => [String(row.owner_id), String(row.author_id)]))];
    };
    await newcomer('same@case.example');
    await newcomer('Same@case.example');
    expect(await servedBy(inLinear('SAME@case.example'))).toEqual(['awaiting-link']);
    // Known by the address once, and by the id from then on: whoever has the address next is not them.
    const faye = await newcomer('faye@case.example');
    const known = inLinear('faye@case.example');
    expect(await servedBy(known)).toEqual(['started', faye.userId]);
    await bench.sql('UPDATE "user" SET email = $2 WHERE id = $1', [faye.userId, 'faye@new.example']);
    const heir = await newcomer('faye@case.example');
    expect(await servedBy(known)).toEqual(['started', faye.userId]);
    expect(await servedBy(inLinear('faye@case.example'))).toEqual(['started', heir.userId]);
    // Renamed at GitHub, and somebody else has the old name now.
    const gail = await newcomer('gail@case.example');
    const renamed = await connected(gail, person({ handle: 'gail' }));
    expect(await servedBy(person({ handle: 'gail' }))).toEqual(['refused-handle-taken']);
    expect(await servedBy({ ...renamed, handle: 'gail-new' })).toEqual(['started', gail.userId]);
    expect(await servedBy(person({ handle: 'gail' }))).toEqual(['awaiting-link']);
  });

  it('that cannot be are answered why, once', async () => {
    const eve = await bench.app.member(bench.organization, 'member');
    const one = ask({ asker: await connected(eve) });
    const { outcome, conversationId } = await asks.take(one);
    expect(outcome).toBe('no-agent-credential');
    expect(await asks.take(one)).toMatchObject({ outcome: 'already-done' });
    expect(await said(conversationId)).toMatchObject([
      { type: 'seen' },
      { type: 'refused', text: expect.stringContaining('credential') as string },
    ]);
    const may = await asks.take(ask({ refusal: { reason: 'may-not-write', text: 'You may not write.' } }));
    expect(may.outcome).toBe('refused-may-not-write');
    expect(await said(may.conversationId)).toMatchObject([{ type: 'refused', text: 'You may not write.' }]);
    const nowhere = await asks.take(ask({ place: { repository: 'not a repository' } }));
    expect(nowhere.outcome).toBe('refused-repository');
  });

  it('start anew where the workspace is deleted, and remember what was done when it is gone', async () => {
    const first = ask();
    const { workspaceId = '', conversationId } = await asks.take(first);
    await bench.api.call('DELETE', bench.api.path(`/workspaces/${workspaceId}`), undefined, 202);
    const second = await asks.take({ ...ask(), conversation: first.conversation });
    expect(second).toMatchObject({ outcome: 'started', conversationId });
    expect(second.workspaceId).not.toBe(workspaceId);
    await bench.reconcile(workspaceId);
    expect(await asks.take(first)).toMatchObject({ outcome: 'already-done', conversationId });
  });

  it('stop what is under way, and are confirmed once', async () => {
    const first = ask();
    const { workspaceId = '', conversationId } = await asks.take(first);
    const stop = {
      ...{
        organizationId: bench.organization.id,
        system: 'github' as const,
        asker: ann,
        deliveryRowId: null,
      },
      ...{ key: randomUUID(), conversationKey: first.conversation.key },
    };
    expect(await stops.stop(stop)).toEqual({ outcome: 'stopped', workspaceId });
    expect(await stops.stop(stop)).toEqual({ outcome: 'already-done' });
    expect(await bench.api.messages(workspaceId)).toMatchObject([{ state: 'canceled' }]);
    expect((await said(conversationId)).filter(({ type }) => type === 'stopped')).toMatchObject([
      { text: 'Stopped.' },
    ]);
    expect(await stops.stop({ ...stop, conversationKey: 'nothing' })).toEqual({
      outcome: 'ignored-nothing-here',
    });
  });

  it('are paused where they go round in circles: said once, seen in the events, and over after an hour', async () => {
    const first = ask();
    const again = (): Ask => ({ ...ask(), conversation: first.conversation });
    const { workspaceId = '', conversationId } = await asks.take(first);
    for (let n = 1; n < breaker.inConversation; n++)
      expect((await asks.take(again())).outcome).toBe('continued');
    for (let n = 0; n < 5; n++) expect((await asks.take(again())).outcome).toBe('stopped-by-breaker');
    expect(await bench.api.messages(workspaceId)).toHaveLength(breaker.inConversation);
    expect((await said(conversationId)).filter(({ type }) => type === 'paused')).toHaveLength(1);
    expect(await bench.eventsOf(workspaceId, 'conversation.state')).toMatchObject([
      { data: { state: 'paused' } },
    ]);
    const resume = bench.api.path(`/conversations/${conversationId}/resume`);
    await bench.api.post(resume, undefined, 200);
    bench.clock.advance(1);
    // What was asked before does not pause it again at once.
    expect((await asks.take(again())).outcome).toBe('continued');
    for (let n = 1; n < breaker.inConversation; n++) await asks.take(again());
    expect((await asks.take(again())).outcome).toBe('stopped-by-breaker');
    bench.clock.advance(breaker.pauseSeconds * 1000);
    expect((await asks.take(again())).outcome).toBe('continued');
    const rows = await bench.sql('SELECT state, state_reason FROM conversation WHERE id = $1', [
      conversationId,
    ]);
    expect(rows).toEqual([{ state: 'open', state_reason: null }]);
  });

  it('are not paused for members by what strangers write', async () => {
    const first = ask();
    await asks.take(first);
    const stranger = person();
    for (let n = 0; n < breaker.inConversation; n++)
      await asks.take({ ...ask(), conversation: first.conversation, asker: stranger });
    expect(await asks.take({ ...ask(), conversation: first.conversation })).toMatchObject({
      outcome: 'continued',
    });
  });

  it('at once after each answer are paused early; who takes their time, or has company, is heard', async () => {
    const talk = async (gaps: number[], askers: ExternalPerson[] = [ann]): Promise<string[]> => {
      const issueId = randomUUID();
      // At Linear each mention is a conversation of its own.
      const mention = (asker: ExternalPerson): Ask => {
        const one = ask({ asker, text: 'go on with it' });
        return { ...one, conversation: { ...one.conversation, subject: { issueId } } };
      };
      const outcomes: string[] = [];
      for (const [at, gap] of [0, ...gaps].entries()) {
        bench.clock.advance(gap * 1000);
        const one = mention(askers[at % askers.length] ?? ann);
        const { outcome, conversationId } = await asks.take(one);
        outcomes.push(outcome);
        await bench.sql(
          `UPDATE reply SET state = 'sent', sent_at = $2 WHERE conversation_id = $1 AND content->'content'->>'type' = 'started'`,
          [conversationId, bench.clock.now()],
        );
      }
      return outcomes;
    };
    const started = (count: number): string[] => Array<string>(count).fill('started');
    expect(await talk([1, 2, 1, 60, 1])).toEqual([
      ...started(breaker.atOnce),
      ...['stopped-by-breaker', 'stopped-by-breaker', 'stopped-by-breaker'],
    ]);
    expect(await talk([1, 2, 5, 1, 1, 5, 1])).toEqual(started(8));
    const bob = await bench.app.member(bench.organization, 'member');
    await bob.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
    const company = await connected(bob);
    const known = { system: ann.system, key: 'x', conversationKey: 'x', cause: 'x', askerId: ann.externalId };
    const look = (askerId: string) => asks.known(bench.organization.id, { ...known, askerId });
    expect(await look(ann.externalId)).toEqual({ outcome: null, beginsAnew: true });
    // For whom nobody knows nothing is looked up first.
    expect(await look(randomUUID())).toEqual({ outcome: null, beginsAnew: false });
    expect((await talk([1, 1, 1, 1], [ann, company])).every((outcome) => outcome === 'started')).toBe(true);
  });
});
