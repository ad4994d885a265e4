import { CanaryBerth, type Store, type Texts } from '../support/canary-berth.js';
import { live, type Lived } from '../support/canary-life.js';
import { writtenWith } from '../support/row-watch.js';
import { withClient } from '../support/tables.js';
import { figure, type Findings } from './figure.js';

/** What renewals came to, and the kinds that served calls, in a life. */
const OUTCOMES = ['failed', 'rejected', 'succeeded', 'unknown'];
const SERVED = ['anthropic_api_key', 'anthropic_wif', 'claude_oauth'];
/** The same of Linear's login, by Linear's own book. */
const AT_LINEAR = ['asked', 'ended', 'exchanged', 'failed', 'renewed', 'replayed'];

const STORES: readonly Store[] = ['Postgres', 'Redis'];

figure(
  {
    id: 'F14 places',
    scenario:
      'lives in which every kind of secret is set, replaced, mistyped, leased, refused and removed, over the API and by the command; logins are connected (a pasted code, a device code) and brought, renewed in every way that a renewal can end, revoked and ended under calls of the real proxy that are held, fall back and are played again, and tokens are minted by workload identity; Linear and GitHub are connected (the App made by a manifest), used by webhooks, lent for git and disconnected, with logins that are refused, lost, renewed and ended, and answers that quote what they were asked with; the queue by turns on Postgres and on Redis. Then each secret, of which none was used twice, is looked for in the log at debug level, traces, metrics, audit exports, every answer, what the command printed, every row of every schema as it was each time it was written (jobs too), every key of Redis, and all that was sent to it. The program, its images and its web page hold none: they are made before any secret is',
    line: '0 found, in whatever form: as it is, its first 8 characters (12 of hex), JSON, URL, HTML, hex, base64, gzip; and one that is put there is found in each place',
    rounds: { small: 1, full: 12 },
    countedAt: 'the places themselves',
    time: 'real',
  },
  async (findings) => {
    findings.tried = 0;
    let [bytes, found] = [0, 0];
    for (let round = 0; round < findings.rounds; round++) {
      const store = STORES[round % STORES.length] ?? 'Postgres';
      const berth = await CanaryBerth.start(store);
      try {
        const lived = await live(berth);
        const texts = await berth.texts();
        await wasALife(store, lived, texts, berth, findings);
        for (const where of await berth.search(texts)) findings.breach(`${store}: ${where}`);
        findings.tried += berth.canaries.length;
        bytes += Object.values(texts).join('').length + berth.answers.join('').length;
        found += await findsWhatIsPlanted(texts, berth, round, findings);
      } finally {
        await berth.close();
      }
    }
    findings.number('lives', findings.rounds);
    findings.number('searched MB, besides the database', Math.round(bytes / 1e5) / 10);
    findings.number('put there and found', found);
  },
);

/** A search of nothing finds nothing: what is searched is really there. */
async function wasALife(
  store: Store,
  { replaced, mistakes, served, logins, trackers }: Lived,
  texts: Texts,
  berth: CanaryBerth,
  findings: Findings,
): Promise<void> {
  const has = (holds: boolean, what: string): void => findings.expect(holds, `${store}: ${what}`);
  has(replaced >= 8, `only ${replaced} credentials were replaced`);
  has(mistakes >= 8, `only ${mistakes} mistakes were refused`);
  has(logins.outcomes.join() === OUTCOMES.join(), `renewals were only ${logins.outcomes.join()}`);
  has(logins.served.join() === SERVED.join(), `calls were served only by ${logins.served.join()}`);
  has(logins.mode === 'replay', `the second attempt was to ${logins.mode}`);
  const renewals = [...new Set(trackers.renewals)].sort().join();
  has(renewals === AT_LINEAR.join(), `renewals at Linear were only ${renewals}`);
  for (const outcome of ['started', 'continued', 'failed'])
    has(trackers.outcomes.includes(outcome), `of deliveries none was ${outcome}`);
  has(trackers.lent, 'no token of an installation was lent');
  has(served, 'the proxy was not given the tokens that were set');
  has(texts.log.split('\n').length > 60, 'hardly anything was logged');
  has(texts.traces.includes('/credentials/{scope}/{kind}'), 'no trace of a credential');
  has(texts.metrics.includes('berth_http_requests_total'), 'no metrics');
  has(texts.command.includes('Stored anthropic_api_key'), 'the command stored nothing');
  has(texts.command.includes('credential.set'), 'the command showed no audit log');
  has(
    berth.answers.some((answer) => /audit\/export.*credential\.set/.test(answer)),
    'no audit log was exported',
  );
  const { ownerUrl } = berth.app.database;
  has((await writtenWith(ownerUrl, 'public.credential', 'ciphertext')) >= 8, 'no credential was written');
  if (store === 'Postgres') {
    has((await writtenWith(ownerUrl, 'bullmq.%', 'workspace.reconcile')) > 0, 'no job was written');
    return;
  }
  has(texts.redis.includes(':berth:'), 'no queue is in Redis');
  has(texts['sent to redis'].includes('workspace.reconcile'), 'no job was sent to Redis');
  has(texts['sent to redis'].includes('"publish"'), 'no notice was sent to Redis');
}

/** Puts a secret into each place, in one form after the other; answers how many of them were found. */
async function findsWhatIsPlanted(
  texts: Texts,
  berth: CanaryBerth,
  round: number,
  findings: Findings,
): Promise<number> {
  const canary = berth.canaries[round % berth.canaries.length];
  if (!canary) throw new Error('There is no secret.');
  const { forms } = canary;
  const form = (at: number): string => forms[(round + at) % forms.length] ?? '';
  const planted = Object.entries(texts).map(([place, text], at) => [place, `${text} ${form(at)} `]);
  const bytes = Buffer.from(`{"apiKey":"${canary.random}"}`);
  await withClient(berth.app.database.ownerUrl, async (client) => {
    await client.query('CREATE TABLE bullmq.planted (value jsonb, bytes bytea)');
    await client.query('INSERT INTO bullmq.planted VALUES ($1, NULL), (NULL, $2)', [
      { text: bytes.toString('base64') },
      bytes,
    ]);
  });
  const all = await berth.search(Object.fromEntries(planted) as Texts, { answers: [`GET /: ${form(0)}`] });
  const expected = planted.length + 3;
  findings.expect(all.length === expected, `of ${expected} planted, ${all.length} were found: ${all.join()}`);
  return all.length;
}
