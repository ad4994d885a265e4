import type { EgressPolicyView, RepositorySource } from '../contracts/index.js';
import { hostNameOf } from '../kernel/index.js';
import { gitUrlOf } from './repository.js';

/** What an organization decided; `hosts` means nothing while it has not. */
export interface EgressDecision {
  decided: boolean;
  hosts: string[];
}

/** When the table below was last compared with what the tools of each registry ask for. */
export const DEFAULT_HOSTS_OF = '2026-11-26';

/**
 * Where packages come from, by registry. Only hosts that serve what their registry publishes: a host on which anybody can put a page or take one down (a content network, a
 * forge's raw files) is for an organization to add. That somebody with an account of their own can publish to a registry is true of each of them; docs/security.md says so.
 */
export const registryHosts: Record<string, readonly string[]> = {
  npm: ['registry.npmjs.org', 'registry.yarnpkg.com'],
  PyPI: ['pypi.org', 'files.pythonhosted.org'],
  crates: ['crates.io', 'index.crates.io', 'static.crates.io'],
  Go: ['proxy.golang.org', 'sum.golang.org'],
  RubyGems: ['rubygems.org', 'index.rubygems.org'],
  'Maven Central': ['repo.maven.apache.org', 'repo1.maven.org'],
  NuGet: ['api.nuget.org'],
  Packagist: ['packagist.org', 'repo.packagist.org'],
  Hex: ['hex.pm', 'repo.hex.pm'],
};

const defaultHosts = Object.values(registryHosts).flat();

export function egressView({ decided, hosts }: EgressDecision): EgressPolicyView {
  return { allowedHosts: decided ? hosts : defaultHosts, isDefault: !decided };
}

/** All that a workspace may reach. Its git host is part of the default only: an organization's own list is the whole list, and the repository has a way of its own. */
export function hostsOf(decision: EgressDecision, source: RepositorySource, githubUrl: string): string[] {
  if (decision.decided) return decision.hosts;
  const host = gitHostOf(source, githubUrl);
  return host === null ? defaultHosts : [...defaultHosts, host];
}

function gitHostOf(source: RepositorySource, githubUrl: string): string | null {
  const url = gitUrlOf(source, githubUrl);
  if (url === null) return null;
  const { protocol, port, hostname } = new URL(url);
  return protocol === 'https:' && port === '' ? hostNameOf(hostname) : null;
}
