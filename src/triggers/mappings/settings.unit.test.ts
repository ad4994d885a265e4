import { settingsFor, WORKFLOW_MODEL, type Preferred, type WorkSettings } from './settings.js';

type Terms = Parameters<typeof settingsFor>[0];
const plain: Terms = { agent: null, provider: 'anthropic', awsRegion: null, model: null };
const bedrock: Terms = { ...plain, provider: 'bedrock', awsRegion: 'eu-central-1' };
const none: Preferred = { agent: null, model: null };
const silent = { model: null, instructions: null };

const cases: [string, Terms, { model: string | null }, Preferred, Partial<WorkSettings>][] = [
  [
    'nobody says anything',
    null,
    silent,
    none,
    { agent: 'claude', model: WORKFLOW_MODEL, provider: 'anthropic' },
  ],
  ['the mapping names a model', { ...plain, model: 'claude-a' }, silent, none, { model: 'claude-a' }],
  [
    'WORKFLOW.md names another',
    { ...plain, model: 'claude-a' },
    { model: 'claude-b' },
    none,
    { model: 'claude-b' },
  ],
  [
    'the member prefers a third',
    { ...plain, model: 'claude-a' },
    { model: 'claude-b' },
    { agent: null, model: 'claude-c' },
    { model: 'claude-c' },
  ],
  ['the mapping is for Codex', { ...plain, agent: 'codex' }, silent, none, { agent: 'codex', model: null }],
  [
    'a member prefers Codex, for which no model is named',
    null,
    { model: 'claude-b' },
    { agent: 'codex', model: null },
    { agent: 'codex', model: null },
  ],
  [
    'a member prefers Claude where the mapping is for Codex',
    { ...plain, agent: 'codex', model: 'gpt-x' },
    silent,
    { agent: 'claude', model: null },
    { agent: 'claude', model: WORKFLOW_MODEL },
  ],
  [
    'Bedrock',
    bedrock,
    silent,
    none,
    { provider: 'bedrock', awsRegion: 'eu-central-1', model: WORKFLOW_MODEL },
  ],
  [
    'Bedrock, and a member who prefers Codex',
    bedrock,
    silent,
    { agent: 'codex', model: null },
    { provider: 'anthropic', awsRegion: null, agent: 'codex' },
  ],
];

it.each(cases)('work is done as said where %s', (_, mapping, { model }, preferred, expected) => {
  expect(settingsFor(mapping, { model, instructions: 'Run the tests.' }, preferred)).toMatchObject({
    ...expected,
    instructions: 'Run the tests.',
  });
});
