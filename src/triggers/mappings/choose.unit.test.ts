import { choose, mappingOfRepository, type IssuePlace } from './choose.js';
import type { MappingRow } from './mappings.store.js';

let made = 0;
const mapping = (change: Partial<MappingRow>): MappingRow => ({
  id: `m-${String(++made).padStart(3, '0')}`,
  linearTeamKey: 'ENG',
  linearProject: null,
  label: null,
  repository: 'acme/app',
  repositoryId: null,
  branch: null,
  agent: null,
  provider: 'anthropic',
  awsRegion: null,
  model: null,
  enabled: true,
  ...change,
});

const team = mapping({});
const other = mapping({ repository: 'acme/Other' });
const project = mapping({ repository: 'acme/project', linearProject: 'Rewrite' });
const label = mapping({ repository: 'acme/label', label: 'backend' });
const both = mapping({ repository: 'acme/both', label: 'backend', linearProject: 'Rewrite' });
const twin = mapping({ label: 'urgent' });
const off = mapping({ repository: 'acme/off', label: 'backend', linearProject: 'Rewrite', enabled: false });
const elsewhere = mapping({ repository: 'acme/ops', linearTeamKey: 'OPS' });
const all = [off, elsewhere, both, label, project, team];

const at = (place: Partial<IssuePlace>): IssuePlace => ({
  teamKey: 'ENG',
  project: null,
  labels: [],
  ...place,
});

const cases: [string, MappingRow[], Partial<IssuePlace>, string[]][] = [
  ['the team’s', all, {}, ['acme/app']],
  ['in whatever case the key comes', all, { teamKey: 'eng' }, ['acme/app']],
  ['its project’s', all, { project: ' rewrite' }, ['acme/project']],
  ['its label’s', all, { labels: ['Backend', 'bug'] }, ['acme/label']],
  [
    'the label’s before the project’s, both before either',
    all,
    { labels: ['backend'], project: 'Rewrite' },
    ['acme/both'],
  ],
  ['another team’s', all, { teamKey: 'OPS', labels: ['backend'] }, ['acme/ops']],
  ['none for a team without one', all, { teamKey: 'HR' }, []],
  ['none that is off', [off], { labels: ['backend'], project: 'Rewrite' }, []],
  ['a person’s to say between two', [team, other], {}, ['acme/app', 'acme/Other']],
  ['what they said', [team, other], { chosen: 'ACME/other' }, ['acme/Other']],
  ['what they said by its name alone', [team, other], { chosen: 'app ' }, ['acme/app']],
  [
    'asked again after an answer that names none',
    [team, other],
    { chosen: 'neither' },
    ['acme/app', 'acme/Other'],
  ],
  [
    'no question between two ways to one repository',
    [team, mapping({ repository: 'Acme/App' })],
    {},
    ['acme/app'],
  ],
  ['closer with a label, to the same repository', [team, twin], { labels: ['urgent'] }, ['acme/app']],
];

it.each(cases)('an issue’s repository is %s', (_, mappings, place, repositories) => {
  const choice = choose(mappings, at(place));
  const found = 'one' in choice ? [choice.one] : 'several' in choice ? choice.several : [];
  expect(found.map(({ repository }) => repository)).toEqual(repositories);
  expect('several' in choice).toBe(repositories.length > 1);
});

it('a repository’s settings are those its mappings agree on', () => {
  const bedrock = { provider: 'bedrock' as const, awsRegion: 'eu-central-1' };
  const one = mapping(bedrock);
  const found = (mappings: MappingRow[], repository: string, repositoryId: string | null = null) =>
    mappingOfRepository(mappings, { repository, repositoryId });
  expect(found([one, mapping({ ...bedrock, label: 'x' }), elsewhere], 'ACME/app')).toBe(one);
  expect(found([one, team], 'acme/app')).toBeNull();
  expect(found([one, mapping({ enabled: false })], 'acme/app')).toBe(one);
  expect(found([one], 'acme/none')).toBeNull();
  // By number where both have one: whoever has the name now has no settings of who had it.
  const numbered = mapping({ repositoryId: '7' });
  expect(found([numbered], 'acme/renamed', '7')).toBe(numbered);
  expect(found([numbered], 'acme/app', '8')).toBeNull();
  expect(found([numbered], 'acme/app')).toBe(numbered);
  expect(found([one], 'acme/app', '8')).toBe(one);
});
