import { randomUUID } from 'node:crypto';
import { API_KEY, Bench } from '../../../test/support/bench.js';
import type { MappingView, WorkspaceView } from '../../contracts/index.js';
import { ExternalAccounts, type ExternalPerson } from '../../identity/index.js';
import { RepositoryKnowledge } from '../index.js';
import { Asks } from './asks.service.js';
import type { Ask } from './ask.js';

/** Where work for Linear goes, and with what it is done. */
let bench: Bench;
let asks: Asks;
const files = new Map<string, string>();
const ann: ExternalPerson = {
  ...{ system: 'linear', externalId: randomUUID(), handle: 'ann', name: 'Ann', email: null },
  ...{ emailProven: false, isApp: false, isActive: true },
};
beforeAll(async () => {
  bench = await Bench.start();
  const { app, organization, owner } = bench;
  asks = app.app.get(Asks, { strict: false });
  const accounts = app.app.get(ExternalAccounts, { strict: false });
  await app.parts.database.tenant(organization.id, (tenant) =>
    accounts.link(tenant, { userId: owner.userId, person: ann, proof: 'authorization' }),
  );
  const knowledge = app.app.get(RepositoryKnowledge, { strict: false });
  knowledge.readWith((_, { repository }, path) =>
    Promise.resolve(files.get(`${repository}/${path}`) ?? null),
  );
  knowledge.orderWith((_, __, repositories) =>
    Promise.resolve(['acme/unknown', ...[...repositories].reverse()]),
  );
});
afterAll(() => bench.close());

let sessions = 0;
const ask = (teamKey: string, change: Partial<Ask> = {}): Ask => {
  const session = `s-${++sessions}`;
  return {
    ...{ organizationId: bench.organization.id, system: 'linear', key: `activity/${randomUUID()}` },
    ...{
      deliveryRowId: null,
      asker: ann,
      text: `work ${sessions}`,
      title: 'An issue',
      mayStart: true,
      readOnly: false,
    },
    conversation: {
      key: `session/${session}`,
      url: `https://linear.app/acme/issue/${teamKey}-1`,
      subject: { session },
    },
    place: { linear: { teamKey, project: null, labels: [] } },
    ...change,
  };
};
const map = (body: object) => bench.api.post<MappingView>(bench.api.path('/mappings'), body, 201);
const started = async (one: Ask): Promise<WorkspaceView> => {
  const { outcome, workspaceId = '' } = await asks.take(one);
  expect(outcome).toBe('started');
  return bench.api.workspace(workspaceId);
};
const column = async (id: string, name: string): Promise<unknown> =>
  (await bench.sql(`SELECT ${name} FROM workspace WHERE id = $1`, [id]))[0]?.[name];
const said = async ({ key }: Ask['conversation'], type: string): Promise<unknown[]> =>
  (
    await bench.sql(
      `SELECT content FROM reply JOIN conversation ON conversation.id = conversation_id WHERE conversation.key = $1 ORDER BY seq`,
      [key],
    )
  )
    .map(({ content }) => (content as { content: { type: string } }).content)
    .filter((content) => content.type === type);

it('goes where the team’s mapping says, as WORKFLOW.md and the member say', async () => {
  await map({ linearTeamKey: 'ENG', repository: 'acme/app', branch: 'develop', model: 'claude-mapped' });
  const plain = await started(ask('ENG'));
  expect(plain).toMatchObject({
    repository: 'acme/app',
    ref: 'develop',
    agent: 'claude',
    model: 'claude-mapped',
  });
  expect(plain.origin).toEqual({ type: 'linear', url: 'https://linear.app/acme/issue/ENG-1' });

  files.set('acme/app/WORKFLOW.md', '---\nmodel: claude-of-the-file\nfoo: 1\n---\nRun the tests.\n');
  const one = ask('ENG');
  const told = await started(one);
  expect(told.model).toBe('claude-of-the-file');
  expect(await column(told.id, 'instructions')).toBe('Run the tests.');
  // The agent gets them, and they are no message of the person.
  expect(await bench.api.messages(told.id)).toMatchObject([{ text: one.text }]);
  const problem = 'WORKFLOW.md, line 3: "foo" is no key that Berth knows; it does nothing';
  expect(await said(one.conversation, 'progress')).toEqual([{ type: 'progress', text: problem }]);
  expect(await column(told.id, 'decision')).toMatchObject({ settings: { workflow: [problem] } });

  await bench.api.call('PATCH', bench.api.path('/preferences'), { model: 'claude-preferred' }, 200);
  expect(await started(ask('ENG'))).toMatchObject({ model: 'claude-preferred' });
  await bench.api.call('PATCH', bench.api.path('/preferences'), { model: null }, 200);

  files.set('acme/app/WORKFLOW.md', '---\nmodel: [\n---\nRun.');
  expect(await started(ask('ENG'))).toMatchObject({ model: 'claude-mapped' });
});

it('is refused without a mapping, with what to do', async () => {
  const one = ask('NONE');
  expect(await asks.take(one)).toMatchObject({ outcome: 'no-mapping' });
  expect(await said(one.conversation, 'refused')).toHaveLength(1);
});

it('is asked about where several could be meant, and done where the answer says, once', async () => {
  await map({ linearTeamKey: 'TWO', repository: 'acme/one' });
  await map({ linearTeamKey: 'TWO', repository: 'acme/two' });
  const first = ask('TWO', { text: 'create hello.txt' });
  expect(await asks.take(first)).toMatchObject({ outcome: 'repository-asked' });
  expect(await asks.take(first)).toMatchObject({ outcome: 'repository-asked' });
  // Once, and in the order of the suggestions; what these add is not taken.
  expect(await said(first.conversation, 'choose')).toEqual([
    {
      type: 'choose',
      question: 'Which repository is this about?',
      options: [
        { label: 'acme/two', value: 'acme/two' },
        { label: 'acme/one', value: 'acme/one' },
      ],
    },
  ]);
  const answer = (chosen: string): Ask => ({
    ...ask('TWO', { text: chosen, place: { linear: { teamKey: 'TWO', project: null, labels: [], chosen } } }),
    conversation: first.conversation,
  });
  expect(await asks.take(answer('evil/other'))).toMatchObject({ outcome: 'repository-asked' });
  const both = await Promise.all([asks.take(answer('acme/one')), asks.take(answer('acme/one'))]);
  expect(both.map(({ outcome }) => outcome).sort()).toEqual(['continued', 'repository-chosen']);
  const { workspaceId = '' } = both.find(({ outcome }) => outcome === 'repository-chosen') ?? {};
  expect(await bench.api.workspace(workspaceId)).toMatchObject({ repository: 'acme/one' });
  const [message] = await bench.api.messages(workspaceId);
  expect(message?.text).toContain('create hello.txt');
  expect(message?.text).not.toContain('acme/one');
  expect(await asks.take(first)).toMatchObject({ outcome: 'already-done' });
});

it('is nobody’s without the organization’s word, and then its own to pay: never in a person’s workspace', async () => {
  const nobody = (): Ask => ask('ENG', { asker: null });
  expect(await asks.take(nobody())).toMatchObject({ outcome: 'refused-automation' });
  const policy = { organizationFallback: true, automation: true };
  await bench.api.call('PUT', bench.api.path('/credential-policy'), policy, 200);
  // The owner who stands for it has a key of their own, which is not asked.
  expect(await asks.take(nobody())).toMatchObject({ outcome: 'no-agent-credential' });
  await bench.api.setCredential('organization', 'anthropic_api_key', { apiKey: API_KEY });
  const made = await started(nobody());
  expect(made.credential).toMatchObject({ scope: 'organization' });
  expect(await column(made.id, 'organization_only')).toBe(true);
  const theirs = ask('ENG');
  const { id } = await started(theirs);
  expect(await column(id, 'organization_only')).toBe(false);
  const further = { ...nobody(), conversation: theirs.conversation };
  expect(await asks.take(further)).toMatchObject({ outcome: 'refused-automation' });
});
