import { eventually } from '../support/eventually.js';
import { LoginGround } from '../support/login-ground.js';
import { figure } from './figure.js';

const HELD = { grant: 'refresh_token' };

/** One answer held at the provider while something else happens to the row; true when the provider takes what is stored in the end. */
async function lateAnswer(
  ground: LoginGround,
  meanwhile: (id: string) => Promise<unknown>,
): Promise<boolean> {
  const { id, generation } = await ground.newLogin();
  await ground.runOut();
  ground.claude.fail({ mode: 'hold-after', match: HELD });
  const late = ground.renew(id, generation);
  await eventually('the provider was asked', () => ground.claude.logins.held === 1);
  await meanwhile(id);
  ground.claude.logins.release();
  await late;
  return ground.isHonored();
}

figure(
  {
    id: 'F5 late finishers',
    scenario:
      'a renewal answers after it was given up, after a new login, and while quota and notes are written to the same row; and the same with a store that writes without comparing',
    line: 'what is stored is always what the provider takes; without the comparison it is not',
    rounds: { small: 2, full: 100 },
    countedAt: 'the emulated provider, which is asked whether it takes the stored token',
    time: 'real',
  },
  async (findings) => {
    const ground = await LoginGround.start();
    const giveUp = async (id: string): Promise<void> => {
      await ground.sql(
        `UPDATE credential_rotation SET heartbeat_at = now() - interval '1 hour' WHERE state = 'open'`,
      );
      await ground.renew(id, (await ground.shown()).generation, 1);
    };
    const hammer = (id: string): Promise<unknown> =>
      Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          ground.sql('UPDATE credential SET last_error = $2, limited_until = NULL WHERE id = $1', [
            id,
            `note ${n}`,
          ]),
        ),
      );
    try {
      for (let round = 0; round < findings.rounds; round++) {
        findings.expect(await lateAnswer(ground, giveUp), `round ${round}: lost after it was given up`);
        findings.expect(
          await lateAnswer(ground, () => ground.newLogin()),
          `round ${round}: a late answer overwrote a new login`,
        );
        findings.expect(await lateAnswer(ground, hammer), `round ${round}: another writer undid it`);
      }
      findings.tried = findings.rounds * 3;
      // That this can fail: the row is given back the lineage and number that the late answer compares with, so that it writes over the new login.
      const blind = await lateAnswer(ground, async (id) => {
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
      findings.expect(!blind, 'nothing was found without the comparison: this figure cannot fail');
    } finally {
      await ground.close();
    }
  },
);
