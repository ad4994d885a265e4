import { NO_CAUSE, Secret } from '../kernel/index.js';
import { BudgetGate } from './budget-gate.js';
import type { HeldLease } from './leases.js';

const LEASE: HeldLease = {
  credentialId: '00000000-0000-4000-8000-000000000001',
  generation: 1,
  credential: { kind: 'anthropic_api_key', secret: new Secret('key'), accountId: null, aws: null, git: null },
  cause: NO_CAUSE,
  budgeted: true,
};

it('is not shut for good by a call that was over before it was known that it uses a budget', async () => {
  const given: ((lease: HeldLease) => void)[] = [];
  const leases = {
    get: () => new Promise<HeldLease>((resolve) => given.push(resolve)),
    fresh: () => Promise.resolve(LEASE),
  };
  const gate = new BudgetGate(leases, () => Promise.resolve());
  const left = gate.call();
  const asked = left.get('anthropic');
  left.end();
  given[0]?.(LEASE);
  await expect(asked).rejects.toMatchObject({ code: 'not-ready' });
  const next = gate.call().get('anthropic');
  given[1]?.(LEASE);
  expect(await next).toBe(LEASE);
});
