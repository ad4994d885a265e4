import { dirname } from 'node:path';
import type { RepositorySource } from '../contracts/runner.js';
import type { Sandbox } from './sandbox/sandbox.js';

export interface EnvironmentOptions {
  sandbox: Sandbox;
  /** PATH inside the sandbox. */
  path: string;
  repository: RepositorySource;
}

/** Name and email as git takes them. */
export interface Person {
  name: string;
  email: string;
}

/** Who commits: Berth does, for the member who asked. */
export const COMMITTER: Person = { name: 'Berth', email: 'berth@localhost' };

/** Folders with programs that a sandbox has whatever PATH outside says. */
const SYSTEM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin'];

/** The allow-list that everything inside starts from. Nothing comes from the runner's own environment. */
export function baseEnvironment({ sandbox, path }: EnvironmentOptions): Record<string, string> {
  const folders = [...path.split(':'), sandbox.paths.extraPath, ...SYSTEM_FOLDERS];
  return {
    PATH: [...new Set(folders)].filter((folder) => folder !== '').join(':'),
    HOME: sandbox.paths.home,
    USER: 'agent',
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    TERM: 'dumb',
    // The host's system-wide configuration stays out; ours has what git's own child processes must see too.
    GIT_CONFIG_SYSTEM: sandbox.paths.gitConfig,
    GIT_TERMINAL_PROMPT: '0',
    // Without a sandbox the tree may lie below somebody's checkout: a tree that lost its .git must not commit into that one.
    GIT_CEILING_DIRECTORIES: dirname(sandbox.paths.tree),
  };
}

/**
 * Sends an agent's tools to the proxy, which tunnels to hosts that the organization allows (CONNECT) and explains each refusal, also of plain http. In both spellings: curl reads
 * `http_proxy` in lower case only, others upper case only. What is on loopback stays there, the way to the model first of all.
 */
export function egressEnvironment(proxyUrl: string): Record<string, string> {
  const direct = 'localhost,127.0.0.1,::1';
  return {
    HTTPS_PROXY: proxyUrl,
    https_proxy: proxyUrl,
    HTTP_PROXY: proxyUrl,
    http_proxy: proxyUrl,
    NO_PROXY: direct,
    no_proxy: direct,
    // Node's own fetch, from 24 on.
    NODE_USE_ENV_PROXY: '1',
  };
}

/** Git configuration for one process and its children (git-config(1), GIT_CONFIG_COUNT). */
export function gitConfiguration(entries: readonly (readonly [string, string])[]): Record<string, string> {
  const environment: Record<string, string> = { GIT_CONFIG_COUNT: String(entries.length) };
  entries.forEach(([key, value], index) => {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  });
  return environment;
}

/**
 * Sends the repository's https URL through the proxy while `origin` keeps the real one, which people and the agent see. The longest match wins, so the
 * repository's own URL, with or without `.git`, leads to the one path that the proxy serves.
 */
export function proxyRoutes(repository: RepositorySource, proxyUrl: string): [string, string][] {
  if (repository.type !== 'https') return [];
  const { protocol, host } = new URL(repository.url);
  const bare = repository.url.replace(/\/+$/, '').replace(/\.git$/, '');
  const key = `url.${proxyUrl}/git/${repository.path}.insteadOf`;
  return [
    [`url.${proxyUrl}/git/${host}/.insteadOf`, `${protocol}//${host}/`],
    [key, bare],
    [key, `${bare}.git`],
  ];
}

/** Author and committer of commits made inside. Git refuses an empty name, and these characters end a field. */
export function identityEnvironment(author: Person): Record<string, string> {
  const clean = (text: string): string => text.replace(/[<>\p{Cc}]/gu, ' ').trim();
  return {
    GIT_AUTHOR_NAME: clean(author.name) || clean(author.email) || COMMITTER.name,
    GIT_AUTHOR_EMAIL: clean(author.email) || COMMITTER.email,
    GIT_COMMITTER_NAME: COMMITTER.name,
    GIT_COMMITTER_EMAIL: COMMITTER.email,
  };
}
