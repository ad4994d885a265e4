import { type ReadSetting, sandboxAdvice } from './sandbox-probe.js';

const forbidden = { state: 'forbidden', bwrap: '/usr/bin/bwrap', reason: 'bwrap: No permissions.' } as const;
const settings =
  (values: Record<string, string>): ReadSetting =>
  (name) =>
    values[name] ?? null;

describe('sandboxAdvice', () => {
  it('is silent when the sandbox works', () => {
    expect(sandboxAdvice({ state: 'working', bwrap: '/usr/bin/bwrap' })).toBe('');
  });

  it('names the package and the setting when bubblewrap is missing', () => {
    const advice = sandboxAdvice({ state: 'missing' });
    expect(advice).toContain('apt-get install bubblewrap');
    expect(advice).toContain('BERTH_SANDBOX=');
  });

  it.each([
    ['kernel.unprivileged_userns_clone', '0', 'sysctl -w kernel.unprivileged_userns_clone=1'],
    ['kernel.apparmor_restrict_unprivileged_userns', '1', 'kernel.apparmor_restrict_unprivileged_userns=0'],
    ['user.max_user_namespaces', '0', 'sysctl -w user.max_user_namespaces='],
  ])('names the kernel setting %s=%s', (name, value, hint) => {
    const advice = sandboxAdvice(forbidden, settings({ [name]: value }));
    expect(advice).toContain(hint);
    expect(advice).toContain('No permissions');
  });

  it('speaks of containers when no kernel setting forbids it', () => {
    const allowed = settings({ 'kernel.unprivileged_userns_clone': '1', 'user.max_user_namespaces': '9' });
    expect(sandboxAdvice(forbidden, allowed)).toContain('--security-opt');
  });
});
