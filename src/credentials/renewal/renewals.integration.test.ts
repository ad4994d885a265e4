import { startTestApp, type TestApp, type TestMember } from '../../../test/support/app.js';
import { writeWorkspaces } from '../../../test/support/rows.js';
import { getTokensFrom, TokenProvider } from '../../../test/support/token-provider.js';
import type { CredentialView, Lease } from '../../contracts/index.js';
import { CredentialsService } from '../index.js';

describe('renewing a login', () => {
  let one: TestApp;
  let two: TestApp;
  let owner: TestMember;
  let organizationId: string;
  const provider = new TokenProvider();

  beforeAll(async () => {
    one = await startTestApp({ worker: true });
    two = await startTestApp({ worker: true, beside: one });
    for (const app of [one, two]) getTokensFrom(app, provider);
    ({ owner, id: organizationId } = await one.founded('acme'));
  });
  afterAll(async () => {
    await two.close();
    await one.close();
  });

  it('costs one call, however many ask at the moment it runs out', async () => {
    const { body } = await owner.api.call<CredentialView>(
      'PUT',
      owner.api.path('/credentials/user/claude_oauth'),
      provider.newLogin(2),
      200,
    );
    const ids = await writeWorkspaces(one.database.ownerUrl, organizationId, owner.userId, 200);
    const leases: Lease[] = await Promise.all(
      ids.map((id, n) =>
        (n % 2 ? one : two).app
          .get(CredentialsService, { strict: false })
          .lease({ organizationId, userId: owner.userId, agent: 'claude' }, id, {
            stillFor: () => Promise.resolve(true),
          }),
      ),
    );
    expect(body.generation).toBe(1);
    expect(new Set(leases.map(({ generation }) => generation))).toEqual(new Set([2]));
    expect(provider.calls).toHaveLength(1);
    expect(provider.secondUses).toBe(0);
  });
});
