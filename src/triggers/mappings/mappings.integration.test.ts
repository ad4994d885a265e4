import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import type { MappingView, Preferences as PreferencesView } from '../../contracts/index.js';
import { Preferences } from '../../identity/index.js';
import { Mappings } from './mappings.service.js';

let berth: TestApp;
let acme: TestOrganization;
let member: TestMember;
beforeAll(async () => {
  berth = await startTestApp();
  acme = await berth.founded('acme');
  member = await berth.member(acme, 'member');
});
afterAll(() => berth.close());

const path = (rest = ''): string => acme.owner.api.path(`/mappings${rest}`);
const eng = { linearTeamKey: 'eng', repository: 'https://github.com/acme/app.git' };
const create = async (body: object, status = 201) =>
  (
    await acme.owner.api.post<MappingView & { code?: string; errors?: { path: string }[] }>(
      path(),
      body,
      status,
    )
  ).body;

describe('mappings', () => {
  it('are made, shown, changed and removed, by admins, and each is booked', async () => {
    const made = await create({ ...eng, label: 'backend', agent: 'claude' });
    expect(made).toEqual({
      id: made.id,
      linearTeamKey: 'ENG',
      linearProject: null,
      label: 'backend',
      repository: 'acme/app',
      branch: null,
      agent: 'claude',
      provider: 'anthropic',
      awsRegion: null,
      model: null,
      enabled: true,
    });
    expect((await member.api.get(path(`/${made.id}`))).body).toEqual(made);
    expect((await member.api.get<{ items: unknown[] }>(path())).body.items).toEqual([made]);
    await member.api.post(path(), eng, 403);
    const { id, ...same } = made;
    const changed = { ...same, provider: 'bedrock', awsRegion: 'eu-central-1', enabled: false };
    const answer = await acme.owner.api.call('PUT', path(`/${id}`), changed, 200);
    expect(answer.body).toEqual({ id, ...changed });
    await acme.owner.api.call('DELETE', path(`/${id}`), undefined, 204);
    await acme.owner.api.call('DELETE', path(`/${id}`), undefined, 404);
    const { body } = await acme.owner.api.get<{ items: { action: string }[] }>(
      acme.owner.api.path('/audit?limit=5'),
    );
    expect(body.items.map(({ action }) => action).filter((action) => action.startsWith('mapping'))).toEqual([
      'mapping.removed',
      'mapping.changed',
      'mapping.created',
    ]);
  });

  it('are there once for a place and a repository, also when two are made at the same moment', async () => {
    const body = { linearTeamKey: 'TWO', repository: 'acme/two' };
    const answers = await Promise.all([1, 2, 3].map(() => acme.owner.api.call('POST', path(), body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect(await create({ ...body, repository: 'https://github.com/acme/two' }, 409)).toMatchObject({
      code: 'mapping-exists',
    });
    const other = await create({ ...body, linearProject: 'P' });
    const { id, ...rest } = other;
    await acme.owner.api.call('PUT', path(`/${id}`), { ...rest, linearProject: null }, 409);
  });

  it('keep what each of several admins says of one at the same moment', async () => {
    const { id, ...made } = await create({ linearTeamKey: 'MANY', repository: 'acme/many' });
    const changes = { branch: 'develop', label: 'infra', model: 'opus', linearProject: 'P', enabled: false };
    await Promise.all(
      Object.entries(changes).map(([field, value]) =>
        acme.owner.api.call('PATCH', path(`/${id}`), { [field]: value }, 200),
      ),
    );
    expect((await acme.owner.api.get(path(`/${id}`))).body).toEqual({ id, ...made, ...changes });
    // What fits only together is judged together, as it stands then.
    await acme.owner.api.call('PATCH', path(`/${id}`), { provider: 'bedrock' }, 422);
    await acme.owner.api.call('PATCH', path(`/${id}`), { provider: 'bedrock', awsRegion: 'us-east-1' }, 200);
    await acme.owner.api.call('PATCH', path(`/${id}`), { agent: 'codex' }, 422);
    const back = await acme.owner.api.call('PATCH', path(`/${id}`), { provider: 'anthropic' }, 200);
    expect(back.body).toMatchObject({ provider: 'anthropic', awsRegion: null, label: 'infra' });
    const cleared = await acme.owner.api.call('PATCH', path(`/${id}`), { label: null }, 200);
    expect(cleared.body).toMatchObject({ label: null, branch: 'develop' });
    await acme.owner.api.call('DELETE', path(`/${id}`), undefined, 204);
    await acme.owner.api.call('PATCH', path(`/${id}`), { label: 'x' }, 404);
  });

  it.each<[string, object, string]>([
    ['Bedrock without a region', { provider: 'bedrock' }, 'body.awsRegion'],
    ['a region without Bedrock', { awsRegion: 'us-east-1' }, 'body.awsRegion'],
    ['a region that is none', { provider: 'bedrock', awsRegion: 'Frankfurt' }, 'body.awsRegion'],
    ['Codex with Bedrock', { provider: 'bedrock', awsRegion: 'us-east-1', agent: 'codex' }, 'body.agent'],
    ['a key that is none', { linearTeamKey: 'ENG-12' }, 'body.linearTeamKey'],
    ['a repository that is none', { repository: '../secrets' }, 'body.repository'],
    ['a repository that is an option', { repository: '--upload-pack=x/y' }, 'body.repository'],
    ['a branch that is an option', { branch: '-D' }, 'body.branch'],
    ['a field nobody knows', { workflowFile: 'x' }, 'body.workflowFile'],
  ])('refuse %s', async (_, change, field) => {
    const { errors } = await create({ ...eng, ...change }, 422);
    expect(errors?.map((error) => error.path)).toContain(field);
  });

  it('say where an issue goes, of this organization’s alone', async () => {
    const other = await berth.founded('other');
    await other.owner.api.post(
      other.owner.api.path('/mappings'),
      { linearTeamKey: 'SUP', repository: 'other/app' },
      201,
    );
    const mappings = berth.app.get(Mappings, { strict: false });
    const goes = (organizationId: string) =>
      berth.parts.database.tenant(organizationId, (tenant) =>
        mappings.forIssue(tenant, { teamKey: 'SUP', project: null, labels: [] }),
      );
    expect(await goes(other.id)).toMatchObject({ one: { repository: 'other/app' } });
    expect(await goes(acme.id)).toEqual({ none: true });
  });
});

describe('what a member’s work is done with', () => {
  it('is theirs to choose, for themselves alone', async () => {
    const own = member.api.path('/preferences');
    expect((await member.api.get(own)).body).toEqual({ agent: null, model: null });
    const chosen: PreferencesView = { agent: 'codex', model: 'gpt-test' };
    expect((await member.api.call('PATCH', own, chosen, 200)).body).toEqual(chosen);
    expect((await member.api.get(own)).body).toEqual(chosen);
    expect((await acme.owner.api.get(own)).body).toEqual({ agent: null, model: null });
    // What is not said stays, also of two who say different things at once.
    const said = { agent: 'claude', model: 'm' } as const;
    for (let round = 0; round < 5; round += 1) {
      await member.api.call('PATCH', own, { agent: null, model: null }, 200);
      await Promise.all(
        Object.entries(said).map(([field, value]) => member.api.call('PATCH', own, { [field]: value }, 200)),
      );
      expect((await member.api.get(own)).body).toEqual(said);
    }
    await member.api.call('PATCH', own, { agent: 'gemini' }, 422);
  });

  it('is the organization’s where nobody asked, if an admin allows that: the oldest owner stands for it', async () => {
    const preferences = berth.app.get(Preferences, { strict: false });
    const stands = () =>
      berth.parts.database.tenant(acme.id, (tenant) => preferences.automationActor(tenant));
    const policy = acme.owner.api.path('/credential-policy');
    await berth.member(acme, 'owner');
    expect(await stands()).toBeNull();
    await member.api.call('PUT', policy, { organizationFallback: true, automation: true }, 403);
    await acme.owner.api.call('PUT', policy, { organizationFallback: true, automation: true }, 200);
    expect(await stands()).toMatchObject({ userId: acme.owner.userId, organizationId: acme.id });
    // Who says nothing of it leaves it as it is.
    const kept = await acme.owner.api.call('PUT', policy, { organizationFallback: false }, 200);
    expect(kept.body).toEqual({ organizationFallback: false, automation: true });
    await acme.owner.api.call('PUT', policy, { organizationFallback: true, automation: false }, 200);
    expect(await stands()).toBeNull();
  });
});
