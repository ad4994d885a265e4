import {
  startTestApp,
  type TestApp,
  type TestMember,
  type TestOrganization,
} from '../../../test/support/app.js';
import { withClient } from '../../../test/support/tables.js';
import type { Tenant } from '../../database/index.js';
import { BerthError } from '../../kernel/index.js';
import { ExternalAccounts } from './external-accounts.service.js';
import type { ExternalPerson, Found } from './person.js';

let berth: TestApp;
let acme: TestOrganization;
let accounts: ExternalAccounts;
beforeAll(async () => {
  berth = await startTestApp();
  acme = await berth.founded('acme');
  accounts = berth.app.get(ExternalAccounts, { strict: false });
});
afterAll(() => berth.close());

const sql = (text: string, values: unknown[] = []) =>
  withClient(
    berth.database.ownerUrl,
    async (client) => (await client.query<Record<string, unknown>>(text, values)).rows,
  );
const inside = <T>(work: (tenant: Tenant) => Promise<T>, organization = acme): Promise<T> =>
  berth.parts.database.tenant(organization.id, work);
const find = (person: ExternalPerson, organization = acme): Promise<Found> =>
  inside((tenant) => accounts.find(tenant, person), organization);

let people = 0;
const person = (change: Partial<ExternalPerson> = {}): ExternalPerson => ({
  system: 'linear',
  externalId: `u-${++people}`,
  handle: `handle-${people}`,
  name: 'Somebody',
  email: null,
  emailProven: true,
  isApp: false,
  isActive: true,
  ...change,
});

/** A member with an address that they proved. */
async function member(email?: string, organization = acme): Promise<TestMember> {
  const made = await berth.member(organization, 'member');
  const address = email ?? made.email;
  await sql('UPDATE "user" SET email = $1, email_verified_at = now() WHERE id = $2', [address, made.userId]);
  return { ...made, email: address };
}
const connect = (userId: string, who: ExternalPerson): Promise<void> =>
  inside((tenant) => accounts.link(tenant, { userId, person: who, proof: 'authorization' }));
const linkedTo = ({ userId }: TestMember) => ({
  outcome: 'linked',
  actor: { userId, organizationId: acme.id },
});
const booked = async (action: string, name: string | null): Promise<number> =>
  (await sql(`SELECT 1 FROM audit_entry WHERE action = $1 AND subject_name = $2`, [action, name])).length;

/** Some transaction waits for the end of another. */
async function untilOneWaits(): Promise<void> {
  const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'`;
  for (let look = 0; (await sql(waiting)).length === 0; look++)
    if (look > 200) throw new Error('nobody waits');
}

describe('who a person of another system is', () => {
  it('is found once by an address that both sides vouch for, and from then on by their id', async () => {
    const ann = await member();
    const who = person({ email: ` ${ann.email.toUpperCase()} ` });
    expect(await find(who)).toMatchObject({ ...linkedTo(ann), proof: 'email' });
    expect(await booked('external-account.linked', who.handle)).toBe(1);
    // Whatever becomes of the address, on either side: it was never theirs by that again.
    const bob = await member();
    expect(await find({ ...who, email: bob.email })).toMatchObject(linkedTo(ann));
    expect(await find({ ...who, email: null })).toMatchObject(linkedTo(ann));
    await sql('UPDATE "user" SET email = $1 WHERE id = $2', ['ann@elsewhere.example', ann.userId]);
    expect(await find(who)).toMatchObject(linkedTo(ann));
    expect(await booked('external-account.linked', who.handle)).toBe(1);
  });

  it('is nobody by an address that is unproven here, unproven there, an alias, or another organization’s', async () => {
    const other = await berth.founded('other');
    const foreign = await member(undefined, other);
    const unverified = await berth.member(acme, 'member');
    const ann = await member('ann@acme.example');
    for (const change of [
      { email: foreign.email },
      { email: unverified.email },
      { email: ann.email, emailProven: false },
      { email: 'ann+tag@acme.example' },
      { email: 'a.nn@acme.example' },
    ])
      expect(await find(person(change))).toEqual({ outcome: 'unlinked' });
    // And who is a member there is one there alone.
    const who = person({ email: foreign.email });
    expect(await find(who, other)).toMatchObject({ outcome: 'linked', actor: { organizationId: other.id } });
    expect(await find(who)).toEqual({ outcome: 'unlinked' });
  });

  it('is refused where two members have the address but for case: neither gets the other’s credentials', async () => {
    await member('Kim@acme.example');
    await member('kim@acme.example');
    const who = person({ email: 'KIM@acme.example' });
    expect(await find(who)).toEqual({ outcome: 'refused', reason: 'ambiguous' });
    expect(await booked('external-account.flagged', who.handle)).toBe(1);
    expect(await find(person({ email: '\u212Aim@acme.example' }))).toEqual({ outcome: 'unlinked' });
  });

  it('is somebody or nobody until the end of what is decided by it: who connects meanwhile comes after it', async () => {
    const [ann, bob] = [await member(), await member()];
    const [who, other] = [person(), person()];
    // Begun out here: inside it would be a part of that transaction.
    const meanwhile = <T>(work: () => Promise<T>): { begin: () => void; done: Promise<T> } => {
      let begin = (): void => undefined;
      const done = new Promise<void>((resolve) => (begin = resolve)).then(work);
      return { begin, done };
    };
    const linking = meanwhile(() => connect(ann.userId, who));
    await inside(async (tenant) => {
      expect(await accounts.find(tenant, who)).toEqual({ outcome: 'unlinked' });
      linking.begin();
      await untilOneWaits();
    });
    await linking.done;
    expect(await find(who)).toMatchObject(linkedTo(ann));
    // The other way round: connected, and not committed yet.
    const finding = meanwhile(() => find(other));
    await inside(async (tenant) => {
      await accounts.link(tenant, { userId: bob.userId, person: other, proof: 'authorization' });
      finding.begin();
      await untilOneWaits();
    });
    expect(await finding.done).toMatchObject(linkedTo(bob));
  });

  it('has a name alone, in whichever case it is written', async () => {
    const [ann, bob] = [await member(), await member()];
    const [one, two] = [
      person({ system: 'github', handle: 'Octo' }),
      person({ system: 'github', handle: 'octo' }),
    ];
    await connect(ann.userId, one);
    await connect(bob.userId, two);
    const handles = 'SELECT handle FROM external_account WHERE external_id = ANY ($1) ORDER BY external_id';
    expect(await sql(handles, [[one.externalId, two.externalId].sort()])).toEqual([
      { handle: null },
      { handle: 'octo' },
    ]);
  });

  it('is nobody by the address of a member who has another account there', async () => {
    const ann = await member();
    expect(await find(person({ email: ann.email }))).toMatchObject(linkedTo(ann));
    expect(await find(person({ email: ann.email }))).toEqual({ outcome: 'unlinked' });
  });

  it('is refused as an app or inactive, even when their account is connected', async () => {
    const ann = await member();
    const who = person();
    await connect(ann.userId, who);
    expect(await find({ ...who, isApp: true })).toEqual({ outcome: 'refused', reason: 'app' });
    expect(await find({ ...who, isActive: false })).toEqual({ outcome: 'refused', reason: 'inactive' });
    await expect(connect(ann.userId, person({ isApp: true }))).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('is known under a new name, and whoever takes up the old one is refused, flagged, and nobody', async () => {
    const [ann, bob] = [await member(), await member()];
    const who = person({ system: 'github', handle: 'ann-dev' });
    await connect(ann.userId, who);
    const thief = person({ system: 'github', handle: 'Ann-Dev', email: bob.email });
    expect(await find(thief)).toEqual({ outcome: 'refused', reason: 'handle-taken' });
    expect(await booked('external-account.flagged', 'Ann-Dev')).toBe(1);
    expect(await find({ ...who, handle: 'ann-new' })).toMatchObject(linkedTo(ann));
    expect(await inside((tenant) => accounts.accountOf(tenant, ann.userId, 'github'))).toEqual({
      externalId: who.externalId,
      handle: 'ann-new',
    });
    expect(await booked('external-account.renamed', 'ann-new')).toBe(1);
    // The name is free by now, and so is who took it: somebody unknown, by no name and no matter whose it was.
    expect(await find({ ...thief, email: null })).toEqual({ outcome: 'unlinked' });
    await connect(bob.userId, thief);
    expect(await find({ ...thief, handle: 'ann-new' })).toMatchObject(linkedTo(bob));
    expect(await inside((tenant) => accounts.accountOf(tenant, ann.userId, 'github'))).toMatchObject({
      handle: null,
    });
  });

  it('is nobody any more a moment after their member was removed, by id and by address', async () => {
    const ann = await member();
    const who = person({ email: ann.email });
    expect(await find(who)).toMatchObject(linkedTo(ann));
    await acme.owner.api.call('DELETE', acme.owner.api.path(`/members/${ann.userId}`), undefined, 204);
    expect(await find(who)).toEqual({ outcome: 'unlinked' });
    await expect(connect(ann.userId, who)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('an account', () => {
  it('is one member’s: of many who claim it at once one gets it', async () => {
    const members = await Promise.all([1, 2, 3, 4, 5].map(() => member()));
    const who = person({ system: 'github' });
    const ends = await Promise.allSettled(members.map(({ userId }) => connect(userId, who)));
    const refused = ends.flatMap((end) =>
      end.status === 'rejected' ? [(end.reason as BerthError).code] : [],
    );
    expect(refused).toEqual(['account-taken', 'account-taken', 'account-taken', 'account-taken']);
    const rows = await sql('SELECT user_id FROM external_account WHERE external_id = $1', [who.externalId]);
    expect(rows).toHaveLength(1);
    expect(await find(who)).toMatchObject({ actor: { userId: rows[0]?.user_id } });
  });

  it('is connected once by many deliveries at the same moment', async () => {
    const ann = await member();
    const who = person({ email: ann.email });
    const found = await Promise.all(Array.from({ length: 8 }, () => find(who)));
    for (const one of found) expect(one).toMatchObject(linkedTo(ann));
    expect(await booked('external-account.linked', who.handle)).toBe(1);
  });

  it('is replaced by another only by its member’s own act', async () => {
    const ann = await member();
    const [first, second] = [person({ system: 'github' }), person({ system: 'github' })];
    const link = (who: ExternalPerson, proof: 'installation' | 'authorization') =>
      inside((tenant) => accounts.link(tenant, { userId: ann.userId, person: who, proof }));
    await link(first, 'installation');
    await link(second, 'installation');
    expect(await find(second)).toEqual({ outcome: 'unlinked' });
    await link(second, 'authorization');
    expect(await find(second)).toMatchObject({ ...linkedTo(ann), proof: 'authorization' });
    expect(await find(first)).toEqual({ outcome: 'unlinked' });
  });

  it('tells who waits for it, in the same transaction', async () => {
    const ann = await member();
    const who = person({ system: 'github' });
    const told: unknown[] = [];
    accounts.whenLinked((tenant, account) => {
      told.push([tenant.organizationId, account]);
      return account.externalId === 'u-refused' ? Promise.reject(new Error('no')) : Promise.resolve();
    });
    await connect(ann.userId, who);
    expect(told).toEqual([[acme.id, { system: 'github', externalId: who.externalId, userId: ann.userId }]]);
    await expect(connect(ann.userId, person({ system: 'github', externalId: 'u-refused' }))).rejects.toThrow(
      'no',
    );
    expect(await find(who)).toMatchObject(linkedTo(ann));
  });
});

describe('a personal link', () => {
  it('is made once, is not stored, and is used up by whatever connects the account', async () => {
    const ann = await member();
    const who = person({ system: 'github' });
    const make = () => inside((tenant) => accounts.personalLink(tenant, who));
    const made = await Promise.all([make(), make(), make()]);
    const [link] = made.flatMap((one) => one ?? []);
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(link?.url).toMatch(new RegExp(`^${berth.url}/connect/github/[\\w-]{43}$`));
    const token = link?.url.split('/').at(-1) ?? '';
    const rows = await sql('SELECT * FROM account_link WHERE external_id = $1', [who.externalId]);
    expect(JSON.stringify(rows)).not.toContain(token);
    await connect(ann.userId, who);
    expect(
      await sql('SELECT 1 FROM account_link WHERE external_id = $1 AND used_at IS NULL', [who.externalId]),
    ).toEqual([]);
    expect(await make()).not.toBeNull();
  });
});
