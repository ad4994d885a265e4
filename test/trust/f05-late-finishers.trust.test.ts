import type { Lease } from '../../src/contracts/index.js';
import { eventually } from '../support/eventually.js';
import { LoginGround } from '../support/login-ground.js';
import { figure, type Findings } from './figure.js';

const HELD = { grant: 'refresh_token' };
/** Writers of one row at a time, and the updates that each renewal has to live with. */
const WRITERS = 8;
const UPDATES_PER_RENEWAL = 100;
const UPDATES_WHERE_BROKEN = 20;
const DAY_MS = 24 * 3600 * 1000;

async function onGround(work: (ground: LoginGround) => Promise<void>): Promise<void> {
  const ground = await LoginGround.start();
  try {
    await work(ground);
  } finally {
    await ground.close();
  }
}

/** A renewal whose answer is held at the provider while something else happens to the row; ends once it has come. */
async function lateAnswer(ground: LoginGround, meanwhile: (id: string) => Promise<unknown>): Promise<void> {
  const { id, generation } = await ground.newLogin();
  await ground.runOut();
  ground.claude.fail({ mode: 'hold-after', match: HELD });
  const before = ground.claude.logins.held;
  const late = ground.renew(id, generation);
  await eventually('the provider was asked', () => ground.claude.logins.held > before);
  await meanwhile(id);
  ground.claude.logins.release();
  await late;
}

/** Another worker takes it for dead, and says that nobody knows what became of it. */
async function giveUp(ground: LoginGround, id: string): Promise<void> {
  await ground.sql(
    `UPDATE credential_rotation SET heartbeat_at = now() - interval '1 hour' WHERE state = 'open'`,
  );
  await ground.renew(id, (await ground.shown()).generation, 1);
}

/** The login that took its place is renewed, too, before the late answer comes. */
async function renewAnother(ground: LoginGround): Promise<void> {
  const { id, generation } = await ground.newLogin();
  await ground.runOut();
  await ground.renew(id, generation, 1);
}

const takeovers: { what: string; meanwhile: (ground: LoginGround, id: string) => Promise<unknown> }[] = [
  { what: 'it was given up, and comes back', meanwhile: giveUp },
  { what: 'a new login came in between', meanwhile: (ground) => ground.newLogin() },
  { what: 'a new login came in between and was renewed', meanwhile: renewAnother },
  {
    what: 'it was given up, and a new login came in between',
    meanwhile: async (ground, id) => {
      await giveUp(ground, id);
      await ground.newLogin();
    },
  },
];

figure(
  {
    id: 'F5 late finishers',
    scenario:
      'a renewal answers late: after it was given up, after a new login, after a new login that was renewed itself, after both; and the same with a store that writes without comparing',
    line: 'what is stored is always what the provider takes; without the comparison it is not',
    rounds: { small: 1, full: 250 },
    countedAt: 'the emulated provider, which is asked whether it takes the stored token',
    time: 'real',
  },
  (findings) =>
    onGround(async (ground) => {
      for (let round = 0; round < findings.rounds; round++)
        for (const { what, meanwhile } of takeovers) {
          await lateAnswer(ground, (id) => meanwhile(ground, id));
          findings.expect(await ground.isHonored(), `round ${round}: lost where ${what}`);
        }
      findings.tried = findings.rounds * takeovers.length;
      // That this can fail: the row is given back the lineage and number that the late answer compares with, so that it writes over the new login.
      await lateAnswer(ground, async (id) => {
        const [before] = await ground.sql('SELECT lineage, generation FROM credential WHERE id = $1', [id]);
        await ground.newLogin();
        await ground.sql('UPDATE credential SET lineage = $2, generation = $3 WHERE id = $1', [
          id,
          before?.lineage,
          before?.generation,
        ]);
        // The provider ends a login that another one takes the place of.
        ground.claude.logins.book.end(ground.claude.logins.calls.at(-1)?.lineage ?? '');
      });
      findings.expect(
        !(await ground.isHonored()),
        'nothing was found without the comparison: this figure cannot fail',
      );
    }),
);

type Lent = Pick<Lease, 'credentialId' | 'generation'>;

/** Writes what proxies tell of one credential, and looks whether it is still there. */
class Hammer {
  written = 0;
  lost = 0;
  /** The end of the quota that was told last, and the latest that was written. */
  #quota = Date.now() + DAY_MS;
  #latest = 0;

  constructor(
    private readonly ground: LoginGround,
    private readonly workspaceId: string,
  ) {}

  /** Until so many were written of what was lent, or another generation is there; by several writers at once, at both replicas. */
  async write(count: number, lent: Lent): Promise<void> {
    const end = this.written + count;
    const writer = async (n: number): Promise<void> => {
      while (this.written < end && (await this.#tell(lent, n)));
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, n) => writer(n)));
  }

  /** One more note for people, and one more end of the quota; each later than all before. False when the generation that it is of is over. */
  async #tell(lent: Lent, at: number): Promise<boolean> {
    const { ground, workspaceId } = this;
    const until = new Date((this.#quota += 1000));
    const { database } = ground.app(at).parts;
    const credentials = ground.credentials(at);
    const { credentialId, generation } = lent;
    // As the gateway takes several items of one report: in one transaction.
    const isTaken = await database.tenant(ground.organization.id, async (tenant) => {
      const by = await credentials.servedBy(tenant, workspaceId, credentialId, generation);
      if (!by) return false;
      await credentials.limited(tenant, { ...lent, errorType: null, until: until.toISOString() }, by);
      await credentials.denied(tenant, { ...lent, status: 403, errorType: `note_${this.#quota}` }, by);
      const [now] = await tenant.db.$queryRaw<{ generation: number }[]>`select generation from credential`;
      return now?.generation === generation;
    });
    if (!isTaken) return false;
    this.written += 1;
    this.#latest = Math.max(this.#latest, until.getTime());
    if ((await this.#read()) < until.getTime()) this.lost += 1;
    return true;
  }

  /** When everybody is done: the latest of all is still there. */
  async look(): Promise<void> {
    if ((await this.#read()) < this.#latest) this.lost += 1;
    this.#latest = 0;
  }

  async #read(): Promise<number> {
    const [row] = await this.ground.sql('SELECT limited_until FROM credential');
    return (row?.limited_until as Date | null)?.getTime() ?? 0;
  }
}

/** Renewals of one login, each with its answer in the middle of many other updates of the row. */
async function hammerRenewals(
  ground: LoginGround,
  updates: number,
  findings: Findings,
): Promise<{ hammer: Hammer; renewals: number }> {
  await ground.newLogin();
  const [workspaceId = ''] = await ground.workspaces(1);
  const hammer = new Hammer(ground, workspaceId);
  const [first] = await ground.sql('SELECT generation FROM credential');
  const firstGeneration = Number(first?.generation);
  let renewals = 0;
  while (hammer.written < updates) {
    // A lease is what entitles a proxy to tell anything of this generation; one whose quota is used up is lent to nobody.
    await ground.sql('UPDATE credential SET limited_until = NULL');
    const { credentialId, generation } = await ground.lease(workspaceId);
    const lent = { credentialId, generation };
    await ground.runOut();
    ground.claude.fail({ mode: 'hold-after', match: HELD });
    const renewal = ground.renew(credentialId, generation);
    await eventually('the provider was asked', () => ground.claude.logins.held > 0);
    const count = Math.min(UPDATES_PER_RENEWAL, updates - hammer.written);
    // In turns all of them before the answer, where a later one cannot make good what its storing undid; and half of them beside it.
    const before = renewals % 2 === 0 ? count : Math.ceil(count / 2);
    await hammer.write(before, lent);
    ground.claude.logins.release();
    await Promise.all([renewal, hammer.write(count - before, lent)]);
    await hammer.look();
    renewals += 1;
  }
  const [last] = await ground.sql('SELECT generation, limited_until FROM credential');
  findings.expect(
    last?.generation === firstGeneration + renewals,
    `${Number(last?.generation) - firstGeneration} generations by ${renewals} renewals`,
  );
  await ground.sql('UPDATE credential SET limited_until = NULL');
  findings.expect(await ground.isHonored(), 'the provider does not take what is stored in the end');
  return { hammer, renewals };
}

figure(
  {
    id: 'F5 other writers',
    scenario: `${WRITERS} writers at two replicas tell of a used up quota and write notes for people to the row of a login while it is renewed, again and again; and the same with a store that writes the whole row`,
    line: '0 updates lost, one generation for each renewal, and the provider takes what is stored; with a store of whole rows updates are lost',
    rounds: { small: 60, full: 10_000 },
    countedAt: 'the row, looked at after each commit; the emulated provider',
    time: 'real',
  },
  (findings) =>
    onGround(async (ground) => {
      const { hammer, renewals } = await hammerRenewals(ground, findings.rounds, findings);
      findings.tried = hammer.written;
      findings.number('renewals meanwhile', renewals);
      findings.expect(hammer.lost === 0, `${hammer.lost} updates were lost of ${hammer.written}`);
      // That this can fail: whoever stores a token writes back the quota that it read when it began.
      await ground.sql(
        `CREATE FUNCTION whole_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.generation > OLD.generation THEN NEW.limited_until := NULL; END IF; RETURN NEW; END $$`,
      );
      await ground.sql(
        'CREATE TRIGGER whole_row BEFORE UPDATE ON credential FOR EACH ROW EXECUTE FUNCTION whole_row()',
      );
      const { hammer: broken } = await hammerRenewals(ground, UPDATES_WHERE_BROKEN, findings);
      findings.expect(broken.lost > 0, 'nothing was found with whole rows: this figure cannot fail');
    }),
);
