import { randomUUID } from 'node:crypto';
import { ExternalAccounts } from '../../src/identity/index.js';
import type { LinearUser } from '../emulators/linear-world.js';
import type { TestMember, TestOrganization } from '../support/app.js';
import { API_KEY } from '../support/bench.js';
import { figure, type Findings } from './figure.js';
import { LoopGround } from './support/loop-ground.js';

const address = (word = 'somebody'): string => `${word}.${randomUUID().slice(0, 8)}@who.example`;
const user = ({ acme }: LoopGround, email: string, more: Partial<LinearUser> = {}): LinearUser =>
  acme.addUser({ email, ...more });

/** A member, with an address that they proved; `email` null: one that they did not. */
async function member(
  { bench }: LoopGround,
  email: string | null = address('member'),
  organization: TestOrganization = bench.organization,
): Promise<TestMember> {
  const made = await bench.app.member(organization, 'member');
  await made.api.setCredential('user', 'anthropic_api_key', { apiKey: API_KEY });
  if (email === null) return made;
  await bench.sql('UPDATE "user" SET email = $2, email_verified_at = now() WHERE id = $1', [
    made.userId,
    email,
  ]);
  return { ...made, email };
}

async function connected(
  ground: LoopGround,
  { userId }: TestMember,
  { id, name }: LinearUser,
): Promise<void> {
  const { app, organization } = ground.bench;
  const rest = { handle: null, name, email: null, emailProven: false, isApp: false, isActive: true };
  await app.parts.database.tenant(organization.id, (tenant) =>
    app.app.get(ExternalAccounts, { strict: false }).link(tenant, {
      ...{ userId, person: { system: 'linear', externalId: id, ...rest }, proof: 'authorization' },
    }),
  );
}

/** Who may not, each with what is to come of it. */
const nobodies: [outcome: string, name: string, who: (ground: LoopGround) => Promise<LinearUser>][] = [
  ['awaiting-link', 'nobody here', (ground) => Promise.resolve(user(ground, address()))],
  [
    'awaiting-link',
    'a member’s address that the member has not proven',
    async (ground) => user(ground, (await member(ground, null)).email),
  ],
  [
    'awaiting-link',
    'a member’s address with a tag',
    async (ground) => user(ground, (await member(ground)).email.replace('@', '+x@')),
  ],
  [
    'awaiting-link',
    'a member’s address with other dots',
    async (ground) => user(ground, (await member(ground)).email.replace('.', '')),
  ],
  [
    'awaiting-link',
    'an address of a member who has another account there',
    async (ground) => {
      const ann = await member(ground);
      await connected(ground, ann, user(ground, ann.email));
      return user(ground, ann.email);
    },
  ],
  [
    'awaiting-link',
    'an address that a member had before',
    async (ground) => {
      const ann = await member(ground);
      const now = address('moved');
      await ground.bench.sql('UPDATE "user" SET email = $2 WHERE id = $1', [ann.userId, now]);
      return user(ground, ann.email);
    },
  ],
  [
    'awaiting-link',
    'an address that two members have but for case',
    async (ground) => {
      const email = address('same');
      await member(ground, email);
      await member(ground, email.replace('same', 'Same'));
      return user(ground, email.toUpperCase());
    },
  ],
  [
    'awaiting-link',
    'the address of a member of another organization',
    async (ground) => {
      const other = await ground.bench.app.founded(`o${randomUUID().slice(0, 8)}`);
      return user(ground, (await member(ground, address('other'), other)).email);
    },
  ],
  [
    'awaiting-link',
    'a member who was removed a moment ago',
    async (ground) => {
      const gone = await member(ground);
      const who = user(ground, gone.email);
      await connected(ground, gone, who);
      const { api } = ground.bench;
      await api.call('DELETE', api.path(`/members/${gone.userId}`), undefined, 204);
      return who;
    },
  ],
  [
    'refused-app',
    'an app with a member’s address',
    async (ground) => user(ground, (await member(ground)).email, { app: true }),
  ],
  [
    'ignored-app',
    'an app',
    (ground) => Promise.resolve(user(ground, `${randomUUID()}@oauthapp.linear.app`, { app: true })),
  ],
  [
    'refused-inactive',
    'somebody who left, with a member’s address',
    async (ground) => user(ground, (await member(ground)).email, { active: false }),
  ],
];

/** Seen to fail: with addresses compared without their dots and tags, and with the owner of a workspace taken for who writes there. */
figure(
  {
    id: 'F18 Linear',
    scenario: `issues given to Berth by ${nobodies.length} sorts of people who are not, or cannot be told to be, a member; and by one member, in whose session another writes. Each delivered twice, under two ids`,
    line: 'nothing is started for who may not; who is nobody here, or could be several, gets one link and no guess; what a member asks runs as that member, and each further turn as who wrote it',
    rounds: { small: 1, full: 20 },
    countedAt: 'rows of workspaces, messages; activities at Linear',
    time: 'real',
  },
  async (findings) => {
    const ground = await LoopGround.start();
    try {
      for (let round = 0; round < findings.rounds; round++) {
        for (const [outcome, name, who] of nobodies)
          await may(ground, { outcome, name, who: await who(ground) }, findings);
        await members(ground, findings);
      }
      findings.tried = findings.rounds * (nobodies.length + 2);
    } finally {
      await ground.close();
    }
  },
);

/** Delivers it twice, and answers what became of it and where. */
async function given(ground: LoopGround, who: LinearUser): Promise<{ outcomes: string[]; session: string }> {
  const { acme, linear } = ground;
  const [team] = acme.teams.values();
  const issue = acme.addIssue(team?.id ?? '', { title: 'A task' });
  const { session, delivery } = await linear.delegate(acme, issue, who);
  await linear.webhooks.send(JSON.parse(delivery.body) as object);
  const outcomes = await ground.handleAll();
  await ground.answer({ cause: issue.id, number: 0 });
  return { outcomes, session: session.id };
}

async function counts({ bench }: LoopGround): Promise<string> {
  const [found] = await bench.sql(
    'SELECT (SELECT count(*) FROM workspace) AS workspaces, (SELECT count(*) FROM message) AS messages',
  );
  return JSON.stringify(found);
}

async function may(
  ground: LoopGround,
  { outcome, name, who }: { outcome: string; name: string; who: LinearUser },
  findings: Findings,
): Promise<void> {
  const before = await counts(ground);
  const { outcomes, session } = await given(ground, who);
  const decided = outcomes.filter((each) => each !== 'already-done');
  const isExpected = decided.length > 0 && decided.every((each) => each === outcome);
  findings.expect(isExpected, `${name}: ${outcomes.join(', ')}`);
  findings.expect((await counts(ground)) === before, `${name}: something was started`);
  const said = ground.acme.activitiesOf(session).filter(({ content }) => content.type !== 'thought');
  const links = said.filter(({ signal }) => signal === 'auth');
  const wanted = outcome === 'awaiting-link' ? 1 : 0;
  findings.expect(links.length === wanted, `${name}: ${links.length} links`);
  findings.expect(said.length === wanted, `${name}: ${said.length} answers`);
}

async function members(ground: LoopGround, findings: Findings): Promise<void> {
  const [ann, bob] = [await member(ground), await member(ground)];
  const { outcomes, session } = await given(ground, user(ground, ann.email.toUpperCase()));
  findings.expect(outcomes.filter((each) => each === 'started').length === 1, `a member: ${outcomes.join()}`);
  const there = ground.acme.sessions.get(session);
  if (!there) throw new Error('There is no such session.');
  const further = await ground.during(() =>
    ground.linear.prompt(ground.acme, there, user(ground, bob.email), 'and this, in my name'),
  );
  findings.expect(further.join() === 'continued', `another member: ${further.join()}`);
  const rows = await ground.bench.sql(
    `SELECT w.owner_id, m.author_id FROM conversation c JOIN workspace w ON w.id = c.workspace_id
       JOIN message m ON m.workspace_id = w.id WHERE c.key = $1 ORDER BY m.seq`,
    [`session/${session}`],
  );
  const ran = rows.map((row) => `${String(row.owner_id)} ${String(row.author_id)}`);
  const wanted = [`${ann.userId} ${ann.userId}`, `${ann.userId} ${bob.userId}`];
  findings.expect(ran.join() === wanted.join(), 'it runs as somebody else');
}
