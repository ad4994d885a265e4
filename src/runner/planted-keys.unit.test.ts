import { credentialIn, refusePlantedEnvironment } from './planted-keys.js';
import { WorkspaceFailure } from './workspace-failure.js';

const tail = 'Zq8rT1vLw6Yb3Nc0Xd5Me9Kf2Zq8rT1vLw6Yb3Nc0';

describe('a credential in what an agent is given', () => {
  it.each([
    [`sk-ant-api03-${tail}`, 'a key or token of Anthropic'],
    [`x sk-ant-oat01-${tail}`, 'a key or token of Anthropic'],
    [`sk-ant-ort01-${tail}`, 'a key or token of Anthropic'],
    [`sk-proj-${tail}`, 'a key of OpenAI'],
    [`sk-${tail}`, 'a key of OpenAI'],
    [`https://x:ghp_${tail}@github.com`, 'a token of GitHub'],
    [`github_pat_${tail}`, 'a token of GitHub'],
    [`glpat-${tail}`, 'a token of GitLab'],
    ['aws_access_key_id = AKIAIOSFODNN7ABCDEFG', 'a key of AWS'],
    [`berth_${tail}`, 'a key of Berth'],
  ])('is seen in %s', (text, name) => {
    expect(credentialIn(text)).toBe(name);
  });

  it.each([
    '/usr/local/bin:/usr/bin:/bin',
    `berth-${tail}`,
    'https://github.com/acme/task-runner-with-a-name-that-is-quite-long',
    'risk-assessment-of-the-whole-department-2026',
    'XAKIAIOSFODNN7ABCDEFGX',
    'sk-ant-',
  ])('is not seen in %s', (text) => {
    expect(credentialIn(text)).toBeNull();
  });

  it('is named by where it stands, and not said', () => {
    const environment = { LANG: 'C', PATH: `/usr/bin:/opt/sk-ant-api03-${tail}/bin` };
    expect(() => refusePlantedEnvironment({ LANG: 'C' })).not.toThrow();
    const refused = (): void => refusePlantedEnvironment(environment);
    expect(refused).toThrow(WorkspaceFailure);
    expect(refused).toThrow(/variable PATH of its environment/);
    expect(refused).not.toThrow(new RegExp(tail));
  });
});
