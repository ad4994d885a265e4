import { hostPatternOf } from '../kernel/index.js';
import { egressView, hostsOf, registryHosts } from './egress.js';

const GITHUB = 'https://github.com';
const https = (path: string) => ({ type: 'https' as const, url: `https://${path}`, path });
const undecided = { decided: false, hosts: [] };
const registries = Object.values(registryHosts).flat();

describe('what a workspace may reach', () => {
  it('is by default the registries and its own git host, and no other’s', () => {
    expect(hostsOf(undecided, https('github.com/a/b.git'), GITHUB)).toEqual([...registries, 'github.com']);
    expect(hostsOf(undecided, https('git.example.org/a/b.git'), GITHUB)).toContain('git.example.org');
    expect(hostsOf(undecided, { type: 'file', url: 'file:///srv/a', path: '/srv/a' }, GITHUB)).toEqual(
      registries,
    );
  });

  it('has the host that stands for github.com, and none that https does not reach at 443', () => {
    const source = https('github.com/a/b.git');
    expect(hostsOf(undecided, source, 'https://ghe.example')).toEqual([...registries, 'ghe.example']);
    expect(hostsOf(undecided, source, 'http://127.0.0.1:3210')).toEqual(registries);
    expect(hostsOf(undecided, https('git.example.org:8443/a/b.git'), GITHUB)).toEqual(registries);
  });

  it('is what the organization decided and nothing else, also when that is nothing', () => {
    for (const hosts of [['a.example.com'], []])
      expect(hostsOf({ decided: true, hosts }, https('github.com/a/b.git'), GITHUB)).toEqual(hosts);
  });

  it('is shown with whose list it is', () => {
    expect(egressView(undecided)).toEqual({ allowedHosts: registries, isDefault: true });
    expect(egressView({ decided: true, hosts: [] })).toEqual({ allowedHosts: [], isDefault: false });
  });
});

it('the default hosts are such as an organization could allow, each once', () => {
  expect(registries.map(hostPatternOf)).toEqual(registries);
  expect(new Set(registries).size).toBe(registries.length);
});
