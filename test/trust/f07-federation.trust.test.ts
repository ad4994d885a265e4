import type { Lease, Scope } from '../../src/contracts/index.js';
import type { FederationExchange, FederationRule } from '../emulators/federation.js';
import type { Answered } from '../support/api.js';
import { beginConnect, completeConnect, type Paste } from '../support/connecting.js';
import { LoginGround } from '../support/login-ground.js';
import { TestProxy } from '../support/machines.js';
import { withClient } from '../support/tables.js';
import { figure, playsInFull } from './figure.js';
import { placeOfGround, rowMember, rowWorkspaces, type CrowdPlace, type RowMember } from './support/crowd.js';
import { LoginCluster } from './support/login-cluster.js';

/** Requests of one workspace at the same moment. */
const AT_ONCE = playsInFull ? 100 : 20;
const AUDIENCE = 'https://api.anthropic.com';
const WIF = {
  federationRuleId: 'fdrl_01Acme',
  organizationId: '00000000-0000-4000-8000-000000000001',
  serviceAccountId: 'svac_01Acme',
  identity: 'berth',
};

let close: () => Promise<void>;
let place: CrowdPlace;
beforeAll(async () => {
  if (playsInFull) {
    const cluster = await LoginCluster.start();
    [place, close] = [cluster.place, () => cluster.close()];
  } else {
    const ground = await LoginGround.start();
    [place, close] = [placeOfGround(ground), () => ground.close()];
  }
}, 120_000);
afterAll(() => close(), 60_000);

const where = playsInFull ? '2 api and 2 worker, processes of their own' : 'two whole Berths in one process';
const federation = () => place.claude.logins.federation;

/** A further organization, whose name and id differ from all others' by as little as they can. */
async function newTenant(ordinal: number): Promise<CrowdPlace> {
  const id = `01a20000-0000-7000-8000-${ordinal.toString().padStart(12, '0')}`;
  const slug = `tenant-${ordinal}`;
  await withClient(place.ownerUrl, (client) =>
    client.query('INSERT INTO organization (id, slug, name, created_at) VALUES ($1, $2, $2, now())', [
      id,
      slug,
    ]),
  );
  return { ...place, organization: { id, slug } };
}

/** A rule as its organization would make it in Anthropic's Console. */
function ruleOf(
  { organization, issuer, urls }: CrowdPlace,
  changes: Partial<FederationRule> = {},
): FederationRule {
  return {
    id: WIF.federationRuleId,
    organizationId: WIF.organizationId,
    serviceAccountId: WIF.serviceAccountId,
    issuer,
    jwks: { url: `${urls[0]}/.well-known/jwks.json` },
    subjectPrefix: `berth:organization:${organization.id}:workspace:*`,
    audience: AUDIENCE,
    workspaces: ['wrkspc_01Acme'],
    tokenSeconds: 3600,
    ...changes,
  };
}

const set = ({ api }: RowMember, federationRuleId = WIF.federationRuleId): Promise<void> =>
  api.setCredential('organization', 'anthropic_wif', { ...WIF, federationRuleId });

/** What has been exchanged since the last look. */
function exchangesSince(): FederationExchange[] {
  const found = [...federation().exchanges];
  federation().reset();
  return found;
}

figure(
  {
    id: 'F7 one exchange',
    scenario: `${AT_ONCE} requests of one workspace at once, at two apis, when its token by workload identity has run out; ${where}`,
    line: 'one exchange, the same token for all, and no assertion is used twice',
    rounds: { small: 2, full: 50 },
    countedAt: 'the authentication history of the emulated provider, which verifies each assertion',
    time: 'real',
  },
  async (findings) => {
    const tenant = await newTenant(1);
    federation().set(ruleOf(tenant));
    const owner = await rowMember(tenant, 'owner');
    await set(owner);
    const [workspace] = await rowWorkspaces(tenant, owner.userId, 1);
    const proxies = tenant.urls.map((url) => new TestProxy({ url }, workspace?.proxy.token ?? ''));
    const assertions = new Set<string>();
    for (let round = 0; round < findings.rounds; round++) {
      await runOut();
      exchangesSince();
      const asked = await Promise.all(
        Array.from({ length: AT_ONCE }, async (_, n) => proxies[n % proxies.length]?.tryLease()),
      );
      const tokens = new Set(asked.map((one) => tokenOf(one)));
      findings.expect(tokens.size === 1 && !tokens.has(null), `round ${round}: ${tokens.size} answers`);
      const exchanges = exchangesSince();
      findings.expect(exchanges.length === 1, `round ${round}: ${exchanges.length} exchanges`);
      for (const { tokenId, denied } of exchanges) {
        findings.expect(denied === null, `round ${round}: denied: ${denied}`);
        findings.expect(!assertions.has(tokenId ?? ''), `round ${round}: an assertion was used twice`);
        assertions.add(tokenId ?? '');
      }
    }
    findings.tried = findings.rounds * AT_ONCE;
    findings.number('exchanges', assertions.size);
  },
);

/** What a rule may say that does not fit, and the name that the provider has for it. */
const misfits: { what: string; rule: (of: CrowdPlace) => Partial<FederationRule>; denied: string }[] = [
  { what: 'issuer', rule: () => ({ issuer: 'https://berth.example' }), denied: 'match_issuer' },
  { what: 'issuer with a slash', rule: ({ issuer }) => ({ issuer: `${issuer}/` }), denied: 'match_issuer' },
  { what: 'audience', rule: () => ({ audience: 'https://api.example' }), denied: 'match_audience' },
  {
    what: 'subject of a look-alike organization',
    rule: ({ organization: { id } }) => ({
      subjectPrefix: `berth:organization:${id.slice(0, -1)}f:workspace:*`,
    }),
    denied: 'match_subject_prefix',
  },
  {
    what: 'subject of another workspace',
    rule: ({ organization: { id } }) => ({ subjectPrefix: `berth:organization:${id}:workspace:${NIL}` }),
    denied: 'match_subject_prefix',
  },
  { what: 'service account', rule: () => ({ serviceAccountId: 'svac_01Other' }), denied: 'service_account' },
];

figure(
  {
    id: 'F7 wrong claims',
    scenario: `${misfits.map(({ what }) => what).join(', ')}: each is another at the provider's rule than what Berth sends; ${where}`,
    line: 'each is denied once, 0 leases are given, and the right rule serves afterwards',
    rounds: { small: 1, full: 50 },
    countedAt: 'the authentication history of the emulated provider; the answers to the proxy',
    time: 'real',
  },
  async (findings) => {
    const tenant = await newTenant(2);
    const owner = await rowMember(tenant, 'owner');
    const [workspace] = await rowWorkspaces(tenant, owner.userId, 1);
    for (let round = 0; round < findings.rounds; round++)
      for (const { what, rule, denied } of misfits) {
        federation().set(ruleOf(tenant, rule(tenant)));
        await set(owner);
        exchangesSince();
        const answers = [await workspace?.proxy.tryLease(), await workspace?.proxy.tryLease()];
        findings.expect(
          answers.every((answer) => answer?.status === 409),
          `${what}: ${answers.map((answer) => answer?.status).join(' and ')}`,
        );
        const said = exchangesSince().map((exchange) => exchange.denied);
        findings.expect(said.join() === denied, `${what}: ${said.join()}`);
      }
    federation().set(ruleOf(tenant));
    await set(owner);
    findings.expect(tokenOf(await workspace?.proxy.tryLease()) !== null, 'the right rule does not serve');
    findings.tried = findings.rounds * misfits.length;
  },
);

figure(
  {
    id: 'F7 tenants',
    scenario: `workspaces of two organizations, whose ids and names differ in the last character, ask for tokens at once, each under its own rule; then one names the other's rule; ${where}`,
    line: 'each token is of its own organization and workspace, no two workspaces share one, and the other’s rule gives nothing',
    rounds: { small: 10, full: 1000 },
    countedAt: 'the subjects of the tokens in the book of the emulated provider',
    time: 'real',
  },
  async (findings) => {
    const tenants = [await newTenant(10), await newTenant(11)];
    const tokens = new Map<string, string>();
    const owners = await Promise.all(
      tenants.map(async (tenant, n) => {
        federation().set(ruleOf(tenant, { id: `fdrl_01Of${n}` }));
        const owner = await rowMember(tenant, 'owner');
        await set(owner, `fdrl_01Of${n}`);
        return owner;
      }),
    );
    await Promise.all(
      tenants.map(async (tenant, n) => {
        const { id } = tenant.organization;
        const userId = owners[n]?.userId ?? '';
        for (let left = findings.rounds / 2; left > 0; left -= AT_ONCE) {
          const workspaces = await rowWorkspaces(tenant, userId, Math.min(left, AT_ONCE));
          await Promise.all(
            workspaces.map(async (workspace) => {
              const token = tokenOf(await workspace.proxy.tryLease()) ?? '';
              const subject = federation().stateOf(token)?.subject;
              const own = `berth:organization:${id}:workspace:${workspace.id}`;
              findings.expect(subject === own, `${own} was given what is of ${subject}`);
              findings.expect(!tokens.has(token), `${own} and ${tokens.get(token)} share a token`);
              tokens.set(token, own);
            }),
          );
        }
      }),
    );
    findings.number('tokens', tokens.size);
    const [, mallory] = owners;
    const [, theirs] = tenants;
    if (!mallory || !theirs) return;
    await set(mallory, 'fdrl_01Of0');
    const [workspace] = await rowWorkspaces(theirs, mallory.userId, 1);
    const answer = await workspace?.proxy.tryLease();
    findings.expect(answer?.status === 409, `the other's rule: ${answer?.status}`);
  },
);

figure(
  {
    id: 'F7 swaps',
    scenario: `codes of Claude logins are brought with another link's state, by another person, to another scope, twice at once, and to the api that did not make the link; ${where}`,
    line: 'each swap is refused, and each code makes one login, of who made its link',
    rounds: { small: 1, full: 50 },
    countedAt: 'the book of the emulated token endpoint, which checks state and PKCE; the answers',
    time: 'real',
  },
  async (findings) => {
    const tenant = await newTenant(20);
    const { logins } = place.claude;
    const [ada, bob] = [await rowMember(tenant, 'admin'), await rowMember(tenant, 'admin')];
    const codeFor = async ({ api }: RowMember, scope: Scope): Promise<string[]> => {
      const { authorizationUrl } = await beginConnect<Paste>(api, 'claude_oauth', scope);
      return logins.codeFor(authorizationUrl).split('#');
    };
    const bring = async ({ api }: RowMember, parts: (string | undefined)[], scope: Scope, url = 1) =>
      (await completeConnect(api.at(place.urls[url] ?? ''), parts.join('#'), scope)).status;
    for (let round = 0; round < findings.rounds; round++) {
      const before = logins.count('exchanged');
      const [hers, ours, his] = [
        await codeFor(ada, 'user'),
        await codeFor(ada, 'organization'),
        await codeFor(bob, 'user'),
      ];
      const swaps: Record<string, number> = {
        'another person’s code': await bring(bob, hers, 'user'),
        'another scope’s code': await bring(ada, ours, 'user'),
        'another person’s state': await bring(ada, [hers[0], his[1]], 'user'),
        'a state of nobody': await bring(ada, [hers[0], 'x'.repeat(43)], 'user'),
      };
      for (const [what, status] of Object.entries(swaps))
        findings.expect(status === 409, `${what}: ${status}`);
      findings.expect(logins.count('exchanged') === before, 'a swapped code was exchanged');
      const twice = await Promise.all([bring(ada, hers, 'user', 0), bring(ada, hers, 'user', 1)]);
      findings.expect(twice.toSorted().join() === '200,409', `brought twice at once: ${twice.join()}`);
      // The state is known, and the verifier behind it is another's: the provider finds it out.
      const swapped = await bring(bob, [ours[0], his[1]], 'user');
      findings.expect(swapped === 409, `another link's code with one's own state: ${swapped}`);
      findings.expect(logins.count('exchanged') === before + 1, 'not one login for one code');
    }
    findings.tried = findings.rounds * 6;
  },
);

const NIL = '00000000-0000-0000-0000-000000000000';

const tokenOf = (answer: Answered<Lease> | undefined): string | null =>
  answer?.status === 200 && 'token' in answer.body.secret ? answer.body.secret.token : null;

/** All tokens of workspaces. */
async function runOut(): Promise<void> {
  await withClient(place.ownerUrl, (client) =>
    client.query(`UPDATE minted_token SET expires_at = now(), renew_at = now() - interval '1 minute'`),
  );
}
