import { createLog } from '../../app/log.js';
import { startAnthropicEmulator, type AnthropicEmulator } from '../../../test/emulators/anthropic.js';
import type { FederationRule } from '../../../test/emulators/federation.js';
import { federation, startTestApp, type TestApp, type TestOrganization } from '../../../test/support/app.js';
import { Canary, searchCanaries } from '../../../test/support/canary.js';
import { eventually } from '../../../test/support/eventually.js';
import { writeWorkspaces } from '../../../test/support/rows.js';
import { withClient } from '../../../test/support/tables.js';
import type { Lease, Resolution } from '../../contracts/index.js';
import { FakeClock } from '../../kernel/index.js';
import { CredentialsService, Issuer } from '../index.js';
import { toAll } from '../testing/terms.js';
import { DueRenewals } from './due-renewals.js';

const clock = new FakeClock(new Date());
const WIF = {
  federationRuleId: 'fdrl_01Acme',
  organizationId: '00000000-0000-4000-8000-000000000001',
  serviceAccountId: 'svac_01Acme',
  identity: 'berth',
};
const minutes = (count: number): number => count * 60_000;

let anthropic: AnthropicEmulator;
let one: TestApp;
let two: TestApp;
let acme: TestOrganization;
let rule: FederationRule;
let logged = '';
const tokens = new Set<string>();

beforeAll(async () => {
  anthropic = await startAnthropicEmulator({ clock });
  const log = createLog('debug', { write: (line: string) => void (logged += line) });
  const parts = { federation: federation(anthropic.url) };
  one = await startTestApp({ worker: true, clock, log, parts });
  // The same Berth under one address, as behind a splitter.
  two = await startTestApp({
    worker: true,
    clock,
    log,
    beside: one,
    parts: { ...parts, publicUrl: one.parts.publicUrl },
  });
});
beforeEach(async () => {
  anthropic.reset();
  acme = await one.founded(`acme-${++founded}`);
  rule = {
    id: WIF.federationRuleId,
    organizationId: WIF.organizationId,
    serviceAccountId: WIF.serviceAccountId,
    issuer: one.url,
    jwks: { url: `${one.url}/.well-known/jwks.json` },
    subjectPrefix: `berth:organization:${acme.id}:workspace:*`,
    audience: 'https://api.anthropic.com',
    workspaces: ['wrkspc_01Acme'],
    tokenSeconds: 3600,
  };
  anthropic.logins.federation.set(rule);
});
let founded = 0;
afterAll(async () => {
  await two.close();
  await one.close();
  await anthropic.close();
});

const exchanges = () => anthropic.logins.federation.exchanges;
const set = (organization = acme, more = {}) =>
  organization.owner.api.setCredential('organization', 'anthropic_wif', { ...WIF, ...more });
const workspaces = (count: number, { id, owner } = acme) =>
  writeWorkspaces(one.database.ownerUrl, id, owner.userId, count);

async function lease(workspaceId: string, app = one, { id, owner } = acme): Promise<Lease> {
  const member = { organizationId: id, userId: owner.userId, agent: 'claude' as const };
  const terms = { admissions: toAll };
  const given = await app.app.get(CredentialsService, { strict: false }).lease(member, workspaceId, terms);
  tokens.add(tokenOf(given));
  return given;
}

function tokenOf(given: Lease | undefined): string {
  if (given?.secret.kind !== 'anthropic_wif') throw new Error('not a federated token');
  return given.secret.token;
}

/** Calls the model as the proxy does. */
async function ask(token: string): Promise<number> {
  const response = await fetch(`${anthropic.url}/v1/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'anthropic-beta': 'oauth-2025-04-20',
      'anthropic-version': '2023-06-01',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      model: 'claude-sonnet-4-5',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'hello' }],
    }),
  });
  await response.text();
  return response.status;
}

describe('tokens by workload identity', () => {
  it('cost one exchange, however many of one workspace ask at once', async () => {
    await set();
    const [id = ''] = await workspaces(1);
    const leases = await Promise.all(Array.from({ length: 100 }, (_, n) => lease(id, n % 2 ? one : two)));
    expect(new Set(leases.map(tokenOf)).size).toBe(1);
    expect(exchanges()).toMatchObject([
      { denied: null, subject: `berth:organization:${acme.id}:workspace:${id}` },
    ]);
    expect(await ask(tokenOf(leases[0]))).toBe(200);
  });

  it('are of one workspace each, and of no other organization that names the same rule', async () => {
    await set();
    const ids = await workspaces(2);
    const [first, second] = await Promise.all(ids.map((id) => lease(id)));
    expect(tokenOf(first)).not.toBe(tokenOf(second));
    expect(
      exchanges()
        .map(({ subject }) => subject?.split(':').at(-1))
        .sort(),
    ).toEqual([...ids].sort());
    // Whoever knows the ids of another's rule gets nothing for them: the subject is not theirs to choose.
    const other = await one.founded(`mallory-${founded}`);
    await set(other);
    const [theirs = ''] = await workspaces(1, other);
    await expect(lease(theirs, one, other)).rejects.toMatchObject({ code: 'no-agent-credential' });
    expect(exchanges().at(-1)).toMatchObject({ denied: 'match_subject_prefix' });
    expect(tokenOf(await lease(ids[0] ?? ''))).toBe(tokenOf(first));
  });

  it('are denied once, say where the reason stands, and are asked for again when a person set it anew', async () => {
    await set(acme, { serviceAccountId: 'svac_01Wrong' });
    const ids = await workspaces(3);
    for (const id of [...ids, ...ids])
      await expect(lease(id)).rejects.toMatchObject({ code: 'no-agent-credential' });
    expect(exchanges()).toHaveLength(1);
    const { api } = acme.owner;
    const { body } = await api.get<Resolution>(api.path('/credentials/resolution?agent=claude'));
    expect(body.candidates[0]).toMatchObject({
      usable: false,
      reason: expect.stringContaining('authentication history') as string,
    });
    await set();
    await lease(ids[0] ?? '');
    expect(exchanges().map(({ denied }) => denied)).toEqual(['service_account', null]);
  });

  it('are exchanged once more, and once, when the provider refuses one before its time', async () => {
    await set();
    const [id = '', beside = ''] = await workspaces(2);
    const [before, untouched] = [await lease(id), await lease(beside)];
    anthropic.logins.federation.revoke(tokenOf(before));
    expect(await ask(tokenOf(before))).toBe(403);
    const credentials = one.app.get(CredentialsService, { strict: false });
    const { credentialId, generation } = before;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        one.parts.database.tenant(acme.id, async (tenant) => {
          const served = await credentials.servedBy(tenant, id, credentialId, generation);
          if (served)
            await credentials.refused(
              tenant,
              { credentialId, generation, errorType: 'permission_error' },
              served,
            );
        }),
      ),
    );
    const after = await lease(id);
    expect(await ask(tokenOf(after))).toBe(200);
    expect(after.generation).toBe(generation + 1);
    expect(exchanges()).toHaveLength(3);
    // Another workspace's own is another one.
    expect(tokenOf(await lease(beside))).toBe(tokenOf(untouched));
  });

  it('of 60 seconds are renewed in time, and not in a loop', async () => {
    anthropic.logins.federation.set({ ...rule, tokenSeconds: 60 });
    await set();
    const [id = ''] = await workspaces(1);
    const [steps, stepSeconds] = [60, 5];
    for (let step = 0; step < steps; step++) {
      const given = await lease(id, step % 2 ? one : two);
      expect(anthropic.logins.federation.stateOf(tokenOf(given))?.state).toBe('living');
      await one.app.get(DueRenewals, { strict: false }).askForAll();
      clock.advance(stepSeconds * 1000);
    }
    // At most one per 75 % of a life, and one at the start.
    expect(exchanges().length).toBeLessThanOrEqual(1 + (steps * stepSeconds) / 45);
    expect(exchanges().length).toBeGreaterThanOrEqual((steps * stepSeconds) / 60);
    expect(exchanges().every(({ denied }) => denied === null)).toBe(true);
  });

  it('go on while the key of the issuer is replaced', async () => {
    await set();
    const [id = ''] = await workspaces(1);
    await lease(id);
    await withClient(one.database.ownerUrl, (client) =>
      client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [acme.owner.userId]),
    );
    await acme.owner.api.post('/api/v1/instance/issuer/rotate', { publishAheadSeconds: 900 }, 202);
    for (let passed = 0; passed < 90; passed += 5) {
      clock.advance(minutes(5));
      await lease(id, passed % 2 ? one : two);
      await one.app.get(Issuer, { strict: false }).keepUp();
    }
    const kids = [...new Set(exchanges().map(({ kid }) => kid))];
    expect(kids).toHaveLength(2);
    expect(exchanges().every(({ denied }) => denied === null)).toBe(true);
    expect(anthropic.logins.federation.replays).toBe(0);
  });

  it('cannot be had with the identity of a cluster where there is none, which is said', async () => {
    await set(acme, { identity: 'kubernetes' });
    const [id = ''] = await workspaces(1);
    await expect(lease(id)).rejects.toMatchObject({ code: 'no-agent-credential' });
    const { api } = acme.owner;
    const { body } = await api.get<Resolution>(api.path('/credentials/resolution?agent=claude'));
    expect(body.candidates[0]?.reason).toContain('Kubernetes');
    expect(exchanges()).toEqual([]);
  });

  it('leave no token, assertion or private key anywhere', async () => {
    await set();
    const [id = ''] = await workspaces(1);
    await lease(id);
    await eventually('the renewal is booked', async () => {
      const { rows } = await withClient(one.database.ownerUrl, (client) =>
        client.query("SELECT 1 FROM credential_rotation WHERE state = 'open'"),
      );
      return rows.length === 0;
    });
    const { api } = acme.owner;
    const answers = await Promise.all(
      [
        '/credentials',
        '/credentials/organization/anthropic_wif',
        '/credentials/organization/anthropic_wif/rotations',
      ].map(async (path) => JSON.stringify((await api.get(api.path(path))).body)),
    );
    const keys = await one.parts.system.issuerKeys.list();
    const privates = await Promise.all(keys.map(({ id }) => privatePartOf(id)));
    const canaries = [
      ...[...tokens].map((token) => new Canary('token', '', token.slice('sk-ant-oat01-'.length))),
      ...anthropic.logins.federation.assertions.map(
        (assertion) => new Canary('assertion', '', assertion.split('.')[2]),
      ),
      ...privates.map((part) => new Canary('private key', '', part)),
    ];
    expect(canaries.length).toBeGreaterThan(10);
    expect(logged).not.toBe('');
    expect(await searchCanaries(canaries, { log: logged, answers, ownerUrl: one.database.ownerUrl })).toEqual(
      [],
    );
  });
});

async function privatePartOf(rowId: string): Promise<string> {
  const sealed = (await one.parts.system.issuerKeys.sealed(rowId)) ?? '';
  const place = { purpose: 'issuer-key' as const, organizationId: 'instance', rowId };
  return (JSON.parse(await one.parts.vault.open(sealed, place)) as { d: string }).d;
}
