import { randomUUID } from 'node:crypto';
import { createLog } from '../../src/app/log.js';
import { problemSchema } from '../../src/contracts/index.js';
import { errorCodes, type ErrorCode } from '../../src/kernel/index.js';
import { Bench } from '../support/bench.js';
import { everyRequest, type ValidRequest } from '../support/every-request.js';
import { attacks, bytesOf, type Attack } from '../support/hostile-requests.js';
import { exchange, type RawAnswer } from '../support/raw-http.js';
import { Seeded } from '../support/seeded.js';
import { contents, withClient } from '../support/tables.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { heapMb, WatchedLog } from './support/watching.js';

// Seen to fail: without the answers of not-http.ts, by 400 and 431 that name no cause.
const SEED = 20_261_125;
const AT_ONCE = 6;
const PARTS = 10;
/** A kilobyte kept of each request would be more, in full. */
const FLAT_MB = 4;
/** Comes with every body, and must not come back. */
const MARK = `mark-${randomUUID()}`;

figure(
  {
    id: 'F15 routes',
    scenario: `${attacks.length} kinds of bad input (bodies, addresses, queries, headers, HTTP itself), each with values chosen by a seed, on every route of the contracts that they are bad for, as whoever may call it; one in four as a stranger`,
    line: 'all 4xx with a cause and a code of the closed list (RFC 9457); 0 5xx; nothing left behind but refusals in the audit log; heap flat (in full); no body said again, in an answer or in the log',
    rounds: { small: 300, full: 10_000 },
    countedAt:
      'the answers as bytes, the contents of all tables, the log at debug level, and the heap of the process',
    time: 'injected',
  },
  async (findings) => {
    const log = new WatchedLog(MARK);
    const bench = await Bench.start({ log: createLog('debug', log) });
    try {
      const valid = await everyRequest(bench);
      const cases = valid.flatMap((request) =>
        attacks.filter(({ on }) => on(request)).map((attack) => ({ request, attack })),
      );
      const seeded = new Seeded(SEED);
      const { url, database } = bench.app;
      // Each caller has been seen once, which is written down.
      for (const { headers } of valid) await fetch(`${url}/api/v1/me`, { headers });
      // Whoever asks first for the issuer's keys has the first one made.
      await fetch(`${url}/.well-known/jwks.json`);
      const before = await held(database.ownerUrl);
      const heap: number[] = [];
      for (let part = 0; part < PARTS; part++) {
        await play(findings.rounds / PARTS, url, cases, seeded, findings);
        heap.push(heapMb());
      }
      // A heap is never twice the same: the least of each half tells what is held for good. The first half fills what is bounded, as caches are.
      const least = (from: number): number => Math.min(...heap.slice(from, from + PARTS / 2));
      const grown = Math.round(least(PARTS / 2) - least(0));
      findings.number('routes', valid.length);
      findings.number('kinds x routes', cases.length);
      findings.number('heap MB at each tenth', heap.map((each) => Math.round(each)).join(' '));
      findings.number('heap grown MB', grown);
      // A process that has just begun still warms up.
      findings.expect(grown < FLAT_MB || !playsInFull, `the heap grew by ${grown} MB`);
      compare(before, await held(database.ownerUrl), findings);
      for (const line of log.wrong) findings.breach(`in the log: ${line}`);
      findings.expect(log.lines > findings.rounds / 2, 'nothing was logged');
    } finally {
      await bench.close();
    }
  },
);

interface Case {
  request: ValidRequest;
  attack: Attack;
}

async function play(
  rounds: number,
  url: string,
  cases: readonly Case[],
  seeded: Seeded,
  findings: Findings,
): Promise<void> {
  let left = rounds;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const { request, attack } = seeded.of(cases);
      const isStranger = seeded.below(4) === 0;
      const as = isStranger ? { ...request, headers: {} } : request;
      const bytes = bytesOf(as, attack.make(as, seeded, MARK));
      const wrong = judge(await exchange(url, bytes));
      const head = bytes
        .subarray(0, 300)
        .toString('latin1')
        .replaceAll(/Bearer \S+/g, 'Bearer …');
      findings.expect(
        wrong === null,
        `${request.contract.method} ${request.contract.path} with ${attack.name}: ${wrong ?? ''}; ${JSON.stringify(head)}`,
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** What is wrong with an answer; null when it is as it should be. */
function judge(answer: RawAnswer | null): string | null {
  if (!answer) return 'no answer';
  const { status, headers, body } = answer;
  if (status < 400 || status >= 500) return `status ${status}`;
  if (body.includes(MARK)) return 'the body is said again';
  if (!headers.includes('content-type: application/problem+json')) return `${status}, and no problem`;
  const { success, data } = problemSchema.safeParse(JSON.parse(body));
  if (!success) return `no problem: ${body}`;
  if (errorCodes[data.code as ErrorCode] !== status) return `${data.code} with ${status}`;
  return data.detail.length > 5 ? null : 'no cause';
}

interface Held {
  tables: Awaited<ReturnType<typeof contents>>;
  audited: { done: number; refused: number; marked: number } | undefined;
}

async function held(ownerUrl: string): Promise<Held> {
  const { rows } = await withClient(ownerUrl, (client) =>
    client.query<{ done: number; refused: number; marked: number }>(
      `SELECT count(*) FILTER (WHERE action NOT LIKE '%.refused')::int AS done, count(*) FILTER (WHERE action LIKE '%.refused')::int AS refused,
              count(*) FILTER (WHERE e::text LIKE '%' || $1 || '%')::int AS marked FROM audit_entry e`,
      [MARK],
    ),
  );
  return { tables: await contents(ownerUrl), audited: rows[0] };
}

function compare(before: Held, after: Held, findings: Findings): void {
  // What people were refused is booked, and nothing else.
  for (const [table, { digest }] of Object.entries(after.tables))
    if (!table.startsWith('audit_'))
      findings.expect(digest === before.tables[table]?.digest, `the table ${table} has changed`);
  findings.expect(after.audited?.done === before.audited?.done, 'something was done, says the audit log');
  findings.expect(after.audited?.marked === 0, 'a body is in the audit log');
  findings.number('refusals booked', (after.audited?.refused ?? 0) - (before.audited?.refused ?? 0));
}
