import { eventually } from '../../../test/support/eventually.js';
import { LoginGround } from '../../../test/support/login-ground.js';
import { waitingForLock } from '../../../test/support/rows.js';
import { withClient } from '../../../test/support/tables.js';
import { TokenSources } from '../providers/token-source.js';
import { CredentialSubjects, type Subjects } from './subjects.js';
import { Crowd, placeOfGround } from '../../../test/trust/support/crowd.js';

const LOGINS = 8;

/** What many logins need at once is written together; what is wrong with one of them is no matter of the others. */
describe('logins that are renewed at once', () => {
  let ground: LoginGround;
  let crowd: Crowd;
  /** Whose tokens were not kept. */
  const discarded: string[] = [];
  beforeAll(async () => {
    ground = await LoginGround.start();
    for (const { app } of ground.apps) {
      const source = app.get(TokenSources, { strict: false }).of('claude_oauth');
      source.unused = ({ organizationId }) => Promise.resolve(void discarded.push(organizationId));
    }
    crowd = await Crowd.gather(placeOfGround(ground), LOGINS, LOGINS);
  });
  afterAll(() => ground.close());

  const ids = (): string[] => crowd.persons.map(({ credentialId }) => credentialId);
  const generations = async (): Promise<number[]> => {
    const rows = await ground.sql('SELECT id, generation FROM credential WHERE id = ANY ($1)', [ids()]);
    const of = new Map(rows.map(({ id, generation }) => [id, generation as number]));
    return ids().map((id) => of.get(id) ?? 0);
  };
  /** By workers told directly: all the jobs at once, at the nth replica. */
  const renewAll = async (at = 0): Promise<void> => {
    const known = await generations();
    await Promise.all(ids().map((id, n) => ground.renew(id, known[n] ?? 0, at)));
  };

  it('each have a row that was committed before their call, written with the others', async () => {
    await crowd.runOut();
    ground.claude.fail({ mode: 'hold-before', match: { grant: 'refresh_token' }, times: LOGINS });
    const renewed = renewAll();
    await eventually('all are asked', () => ground.claude.logins.held === LOGINS);
    // What somebody sets meanwhile, stays.
    await ground.sql(`UPDATE credential SET settings = settings || '{"fallback": true}' WHERE id = $1`, [
      ids()[0],
    ]);
    const rows = await ground.sql(
      `SELECT started_at, called_at FROM credential_rotation WHERE state = 'open' AND credential_id = ANY ($1)`,
      [ids()],
    );
    expect(rows.map(({ called_at }) => called_at !== null)).toEqual(Array.from(rows, () => true));
    const begun = new Set(rows.map(({ started_at }) => String((started_at as Date).getTime())));
    expect([rows.length, begun.size]).toEqual([LOGINS, 1]);
    // Told again meanwhile, also elsewhere: each row stands, and nobody calls.
    await Promise.all([renewAll(), renewAll(1)]);
    ground.claude.logins.release(LOGINS);
    await renewed;
    expect(crowd.renewals).toEqual(Array.from(ids(), () => 1));
    expect([await generations(), crowd.misused]).toEqual([Array.from(ids(), () => 2), 0]);
    const [first] = await ground.sql('SELECT settings FROM credential WHERE id = $1', [ids()[0]]);
    expect(first?.settings).toMatchObject({ fallback: true });
  });

  it('each keep their own: what is written together is not mixed up', async () => {
    const { book } = ground.claude.logins;
    const given = await crowd.leases();
    const lineages = given.map(({ lease }) =>
      lease && 'token' in lease.secret ? book.stateOf(lease.secret.token) : null,
    );
    expect(lineages).toEqual(
      crowd.persons.map(({ lineage }) => expect.objectContaining({ lineage, state: 'living' }) as object),
    );
  });

  it('are stored though the row of one is held by another, who is waited for with that one alone', async () => {
    await crowd.runOut();
    ground.claude.fail({ mode: 'hold-before', match: { grant: 'refresh_token' }, times: LOGINS });
    const renewed = renewAll();
    await eventually('all are asked', () => ground.claude.logins.held === LOGINS);
    await withClient(ground.apps[0].database.ownerUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM credential WHERE id = $1 FOR UPDATE', [ids()[0]]);
      ground.claude.logins.release(LOGINS);
      const rest = Array.from(ids().slice(1), () => 3);
      await eventually(
        'the others are stored',
        async () => String(await generations()) === String([2, ...rest]),
      );
      await eventually('one waits', async () => (await waitingForLock(ground.apps[0].database)) > 0);
      await client.query('COMMIT');
      await renewed;
      expect(await generations()).toEqual([3, ...rest]);
    });
    expect([crowd.renewals, crowd.misused]).toEqual([Array.from(ids(), () => 2), 0]);
  });

  it('are stored though those who are to know that another ended cannot be told yet', async () => {
    const subjects = ground.app().app.get(CredentialSubjects, { strict: false });
    const before = subjects.all;
    const told: string[] = [];
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const tell: Subjects['tell'] = ({ credentialId }) => held.then(() => void told.push(credentialId));
    subjects.are(Object.assign(Object.create(before) as Subjects, { tell }));
    try {
      const other = await Crowd.gather(placeOfGround(ground), 1, 1);
      await other.runOut();
      await crowd.runOut();
      ground.claude.logins.book.end(other.persons[0]?.lineage ?? '');
      const known = await generations();
      const ended = other.persons[0]?.credentialId ?? '';
      await Promise.all([ground.renew(ended, 1), renewAll()]);
      expect(await generations()).toEqual(known.map((generation) => generation + 1));
      const [row] = await ground.sql('SELECT status FROM credential WHERE id = $1', [ended]);
      expect([row?.status, told]).toEqual(['rejected', []]);
      letGo();
      await eventually('they are told', () => told.length === 1);
      expect(told).toEqual([ended]);
    } finally {
      letGo();
      subjects.are(before);
    }
  });

  it('are stored once where the database did so, and its answer was lost', async () => {
    await crowd.runOut();
    const known = await generations();
    const { database } = ground.app().parts;
    const apart = database.apart.bind(database);
    ground.claude.fail({ mode: 'hold-before', match: { grant: 'refresh_token' }, times: LOGINS });
    const renewed = renewAll();
    await eventually('all are asked', () => ground.claude.logins.held === LOGINS);
    let lost = 0;
    database.apart = async (organizationId, work) => {
      await apart(organizationId, work);
      lost++;
      throw new Error('the connection was cut behind the commit');
    };
    try {
      ground.claude.logins.release(LOGINS);
      await renewed;
    } finally {
      database.apart = apart;
    }
    expect(lost).toBeGreaterThan(0);
    expect(await generations()).toEqual(known.map((generation) => generation + 1));
    const states = await ground.sql(
      `SELECT DISTINCT ON (credential_id) state FROM credential_rotation WHERE credential_id = ANY ($1) ORDER BY credential_id, id DESC`,
      [ids()],
    );
    expect(states.map(({ state }) => state)).toEqual(ids().map(() => 'succeeded'));
    expect(discarded).toEqual([]);
  });

  it('go on though one of them was replaced meanwhile, whose late answer changes nothing', async () => {
    await crowd.runOut();
    ground.claude.fail({ mode: 'hold-before', match: { grant: 'refresh_token' }, times: LOGINS });
    const renewed = renewAll();
    await eventually('all are asked', () => ground.claude.logins.held === LOGINS);
    await ground.sql('UPDATE credential SET lineage = gen_random_uuid(), generation = 9 WHERE id = $1', [
      ids()[0],
    ]);
    ground.claude.logins.release(LOGINS);
    await renewed;
    expect(await generations()).toEqual([9, ...Array.from(ids().slice(1), () => 6)]);
    await eventually('what came late is discarded', () => discarded.length === 1);
    const states = await ground.sql(
      `SELECT DISTINCT ON (credential_id) state FROM credential_rotation WHERE credential_id = ANY ($1) ORDER BY credential_id, id DESC`,
      [ids()],
    );
    expect(states.map(({ state }) => String(state)).toSorted()).toEqual([
      ...Array.from(ids().slice(1), () => 'succeeded'),
      'superseded',
    ]);
  });
});
