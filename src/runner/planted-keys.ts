import type { Git } from './git/git.js';
import { WorkspaceFailure } from './workspace-failure.js';

/**
 * Credentials as their providers make them, as extended regular expressions that grep reads too. What Berth hands an agent holds none: a placeholder stands for each. If one is
 * there all the same (a setting, a mistake of ours), it would lie open to whatever steers the agent, and no lease, budget or removal would bind it.
 */
const CREDENTIALS: [name: string, pattern: string][] = [
  ['a key or token of Anthropic', 'sk-ant-[a-z]+[0-9]*-[A-Za-z0-9_-]{20,}'],
  ['a key of OpenAI', 'sk-((proj|svcacct|admin)-[A-Za-z0-9_-]{32,}|[A-Za-z0-9]{40,})'],
  ['a token of GitHub', '(gh[opsru]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})'],
  ['a token of GitLab', 'glpat-[A-Za-z0-9_-]{20,}'],
  ['a key of AWS', '(^|[^A-Z0-9])(AKIA|ASIA)[A-Z2-7]{16}([^A-Z0-9]|$)'],
  ['a key of Berth', 'berth_[A-Za-z0-9_-]{30,}'],
];

/** Where agents keep a login of their own. Here they have none. */
const LOGIN_FILES = ['.claude/.credentials.json', '.codex/auth.json'];

/** Which credential a text looks to hold; null: none. */
export function credentialIn(text: string): string | null {
  return CREDENTIALS.find(([, pattern]) => new RegExp(pattern).test(text))?.[0] ?? null;
}

/** Throws WorkspaceFailure when an environment that an agent would get holds a credential. */
export function refusePlantedEnvironment(environment: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(environment)) {
    const found = credentialIn(value);
    if (found) throw planted(found, `the variable ${name} of its environment`);
  }
}

/**
 * Throws WorkspaceFailure when there is a credential in the home folder that an agent is given: in any of its files at first (`isNew`), later in those of logins alone, since the rest is what the agent
 * made. Looked for inside the sandbox: a path in there may be a link that leads out of it.
 */
export async function refusePlantedFiles(
  git: Git,
  home: string,
  isNew: boolean,
  signal: AbortSignal,
): Promise<void> {
  const places = isNew ? [home] : LOGIN_FILES.map((file) => `${home}/${file}`);
  // Of a file that is not there grep says nothing (`-s`).
  const patterns = CREDENTIALS.flatMap(([, pattern]) => ['-e', pattern]);
  const { stdout } = await git.program('grep', ['-rlsE', ...patterns, '--', ...places], { signal });
  const [file] = stdout.split('\n');
  if (file) throw planted('of one of the kinds that Berth holds', `the file ${file.replace(home, '~')}`);
}

function planted(what: string, where: string): WorkspaceFailure {
  return new WorkspaceFailure(
    'planted-credential',
    `What this workspace's agent would be given holds a real credential (${what}): ${where}. Take it out, then wake the workspace. Agents get a placeholder; set credentials in Berth instead.`,
  );
}
