import { randomInt } from 'node:crypto';
import type { AuditVerdict } from '../../src/contracts/index.js';
import type { Client } from 'pg';
import { startTestApp, type TestApp, type TestOrganization } from '../support/app.js';
import { bodiesInTime } from '../support/mutations.js';
import { contents, withClient } from '../support/tables.js';
import { call, furnish, routes } from '../support/tenant-routes.js';
import { figure } from './figure.js';

/*
 * Deliberately broken, and seen to fail: with the error of the append swallowed (audit.service.ts) every mutation answers as if all was well; with the head not asked at the end
 * (ChainVerifier.finish) a tail that was cut and a head that was put back are not found.
 */

/** Ways in which the log cannot be written, each with what mends it. The last two stand for a full disk and for a broken server: an error at the insert. */
const failures: { name: string; breakIt: string; mendIt: string }[] = [
  {
    name: 'no right to add',
    breakIt: 'REVOKE INSERT ON audit_entry FROM berth_app, berth_system',
    mendIt: 'GRANT INSERT ON audit_entry TO berth_app, berth_system',
  },
  {
    name: 'the table is gone',
    breakIt: 'ALTER TABLE audit_entry RENAME TO audit_entry_gone',
    mendIt: 'ALTER TABLE audit_entry_gone RENAME TO audit_entry',
  },
  {
    name: 'the disk is full',
    breakIt: `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$;
              CREATE TRIGGER full_disk BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION full_disk()`,
    mendIt: 'DROP FUNCTION full_disk CASCADE',
  },
  {
    name: 'the head cannot be locked',
    breakIt: 'REVOKE EXECUTE ON FUNCTION audit_lock_head(uuid) FROM berth_app, berth_system',
    mendIt: 'GRANT EXECUTE ON FUNCTION audit_lock_head(uuid) TO berth_app, berth_system',
  },
];

const changing = routes.filter(
  ({ contract }) => contract.method !== 'GET' && contract.access !== 'instance-administrator',
);
const reading = routes.filter(
  ({ contract, name }) => contract.method === 'GET' && !name.includes('Audit') && name !== 'eventsRoute',
);

figure(
  {
    id: 'F29 cannot write',
    scenario: `the audit log cannot be written (${failures.map(({ name }) => name).join(', ')}): every route of an organization that changes something, again and again`,
    line: 'each mutation is refused with 503 audit-unavailable and changes no row; each read goes on',
    rounds: { small: 1, full: 20 },
    countedAt: 'answers at the client; all rows of all tables before and after',
    time: 'real',
  },
  async (findings) => {
    const berth = await startTestApp();
    findings.tried = 0;
    let reads = 0;
    try {
      for (let round = 0; round < findings.rounds; round++) {
        const organization = await berth.founded(`org-${round}`);
        const things = await furnish(berth, organization);
        const { api } = organization.owner;
        const inTime: Record<string, object | undefined> = {};
        for (const [name, make] of Object.entries(bodiesInTime))
          inTime[name] = await make(berth, organization);
        for (const { name, breakIt, mendIt } of failures) {
          const before = await contents(berth.database.ownerUrl);
          await owner(berth, (client) => client.query(breakIt));
          for (const route of changing) {
            const { status, body } = await call(api, route, organization.slug, things, inTime[route.name]);
            findings.tried++;
            const { code } = body as { code?: string };
            if (status !== 503 || code !== 'audit-unavailable')
              findings.breach(`${route.name} answered ${status} ${code ?? ''} while ${name}`);
          }
          for (const route of reading) {
            const { status } = await call(api, route, organization.slug, things);
            reads++;
            if (status !== 200) findings.breach(`${route.name} answered ${status} while ${name}`);
          }
          await owner(berth, (client) => client.query(mendIt));
          const after = await contents(berth.database.ownerUrl);
          for (const [table, { digest }] of Object.entries(after))
            if (before[table]?.digest !== digest)
              findings.breach(`rows of ${table} were changed while ${name}`);
        }
        const { status } = await api.call('POST', api.path('/api-keys'), { name: 'afterwards' });
        findings.expect(status === 201, `it did not go on when it was mended: ${status}`);
      }
      findings.number('reads that went on', reads);
    } finally {
      await berth.close();
    }
  },
);

/** Damage by somebody who may do everything in the database at an entry that is not the last; answers which one is to be named. */
const damages: {
  name: string;
  damage: (client: Client, chain: string, at: number) => Promise<number>;
}[] = [
  {
    name: 'a row edited',
    damage: async (client, chain, at) => {
      const edits = [
        `details = details || '{"forged": true}'`,
        `action = 'organization.created'`,
        `actor_id = 'somebody'`,
        `subject_name = 'other'`,
        `at = at + interval '1 millisecond'`,
        `request_id = null`,
        `api_key_id = 'other'`,
      ];
      await client.query(
        `UPDATE audit_entry SET ${edits[randomInt(edits.length)] ?? ''} WHERE organization_id = $1 AND seq = $2`,
        [chain, at],
      );
      return at;
    },
  },
  {
    name: 'a row edited and given a hash that fits nothing',
    damage: async (client, chain, at) => {
      await client.query(
        `UPDATE audit_entry SET subject_name = 'x', hash = repeat('a', 64) WHERE organization_id = $1 AND seq = $2`,
        [chain, at],
      );
      return at;
    },
  },
  {
    name: 'a row deleted',
    damage: async (client, chain, at) => {
      await client.query('DELETE FROM audit_entry WHERE organization_id = $1 AND seq = $2', [chain, at]);
      return at;
    },
  },
  {
    name: 'a row deleted and the others moved up',
    damage: async (client, chain, at) => {
      await client.query('DELETE FROM audit_entry WHERE organization_id = $1 AND seq = $2', [chain, at]);
      await client.query('UPDATE audit_entry SET seq = -seq WHERE organization_id = $1 AND seq > $2', [
        chain,
        at,
      ]);
      await client.query('UPDATE audit_entry SET seq = -seq - 1 WHERE organization_id = $1 AND seq < 0', [
        chain,
      ]);
      return at;
    },
  },
  {
    name: 'two rows reordered',
    damage: async (client, chain, at) => {
      await client.query('UPDATE audit_entry SET seq = -1 WHERE organization_id = $1 AND seq = $2', [
        chain,
        at,
      ]);
      await client.query('UPDATE audit_entry SET seq = $2 WHERE organization_id = $1 AND seq = $3', [
        chain,
        at,
        at + 1,
      ]);
      await client.query('UPDATE audit_entry SET seq = $2 WHERE organization_id = $1 AND seq = -1', [
        chain,
        at + 1,
      ]);
      return at;
    },
  },
  {
    name: 'the tail cut',
    damage: async (client, chain, at) => {
      await client.query('DELETE FROM audit_entry WHERE organization_id = $1 AND seq > $2', [chain, at]);
      return at + 1;
    },
  },
  {
    name: 'the head put back',
    damage: async (client, chain, at) => {
      await client.query(
        `UPDATE audit_head SET seq = $2, hash = (SELECT hash FROM audit_entry WHERE organization_id = $1 AND seq = $2) WHERE organization_id = $1`,
        [chain, at],
      );
      return at + 1;
    },
  },
  {
    name: 'tail and head put back, known by a head kept elsewhere',
    damage: async (client, chain, at) => {
      await client.query('DELETE FROM audit_entry WHERE organization_id = $1 AND seq > $2', [chain, at]);
      await client.query(
        `UPDATE audit_head SET seq = $2, hash = (SELECT hash FROM audit_entry WHERE organization_id = $1 AND seq = $2) WHERE organization_id = $1`,
        [chain, at],
      );
      return at + 1;
    },
  },
];

figure(
  {
    id: 'F29 tampered',
    scenario: `random chains, each damaged by the owner of the database with the guards switched off: ${damages.map(({ name }) => name).join('; ')}`,
    line: 'verification says no and names the first bad entry, and says yes before',
    rounds: { small: 8, full: 400 },
    countedAt: 'GET …/audit/verification against where the damage was done',
    time: 'real',
  },
  async (findings) => {
    const berth = await startTestApp();
    try {
      for (let round = 0; round < findings.rounds; round++) {
        const { name, damage } = damages[round % damages.length] ?? { name: '', damage: undefined };
        if (!damage) continue;
        const organization = await berth.founded(`chain-${round}`);
        const length = randomInt(3, 16);
        await write(organization, length);
        const sound = await verdictOf(organization);
        findings.expect(
          sound.holds && sound.entries === length,
          `a chain that nobody touched does not hold: ${JSON.stringify(sound)}`,
        );
        const expected = await unguarded(berth, (client) =>
          damage(client, organization.id, randomInt(1, length)),
        );
        const anchor =
          name.includes('kept elsewhere') && sound.head
            ? `?seq=${sound.head.seq}&hash=${sound.head.hash}`
            : '';
        const { holds, fault } = await verdictOf(organization, anchor);
        if (holds) findings.breach(`${name}: not found`);
        else if (fault?.seq !== expected)
          findings.breach(`${name}: entry ${expected} is bad, ${fault?.seq ?? 'none'} was named`);
      }
    } finally {
      await berth.close();
    }
  },
);

async function write({ owner: { api } }: TestOrganization, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await api.post(api.path('/api-keys'), { name: `key ${n} é 🔑` }, 201);
}

async function verdictOf({ owner: { api } }: TestOrganization, query = ''): Promise<AuditVerdict> {
  return (await api.get<AuditVerdict>(api.path(`/audit/verification${query}`))).body;
}

const owner = <T>(berth: TestApp, work: (client: Client) => Promise<T>): Promise<T> =>
  withClient(berth.database.ownerUrl, work);

/** Runs `work` as the owner, with the triggers off. */
async function unguarded<T>(berth: TestApp, work: (client: Client) => Promise<T>): Promise<T> {
  return owner(berth, async (client) => {
    await client.query('BEGIN');
    for (const table of ['audit_entry', 'audit_head'])
      await client.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    const value = await work(client);
    for (const table of ['audit_entry', 'audit_head'])
      await client.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
    await client.query('COMMIT');
    return value;
  });
}
