import {
  ASK_SECONDS,
  BOUND_SECONDS,
  cells,
  faultFacts,
  faults,
  stepFacts,
  steps,
  type Fault,
  type Step,
} from './renewal-faults.js';

/** The text of docs/renewal-faults.md. Pure: the table in, markdown out. */
export function renewalFaultsPage(): string {
  return [
    opening,
    '## The matrix',
    matrix(),
    '## What is done',
    list(faults.map((fault) => `**${faultFacts[fault].title}**: ${faultFacts[fault].what}`)),
    '## What holds in every cell',
    holds,
    '## Why some cells end with "reconnect"',
    `${why}\n`,
  ].join('\n\n');
}

const opening = `# When a renewal is interrupted

A login is renewed with a refresh token that serves once. Whoever is interrupted between sending it and storing its successor may have the only copy of the login in hand. This page says what Berth does when a renewal is hurt at each of its steps. It is made of the table
that the tests run over ([test/support/renewal-faults.ts](../test/support/renewal-faults.ts)) by \`npx tsx scripts/write-renewal-faults.ts\`; each cell is a test of \`test/e2e/renewal-faults.e2e.test.ts\`, and the kills and stops are played a hundred times by the figure F3.`;

const holds = list([
  'No refresh token is used a second time, whoever is killed, stopped or cut off.',
  'No login is lost that the provider would honor and that Berth can know of.',
  `A request for a lease is answered within ${ASK_SECONDS} seconds: with a lease, or with 503 and Retry-After. Who asks again has a lease within ${BOUND_SECONDS} seconds of the fault, or of its end.`,
  `Where the login may be lost, its owner can see that within ${BOUND_SECONDS} seconds: the credential says "reconnect it", the workspaces that used it have an event, the audit log an entry; and the next credential of the order serves.`,
]);

const why = `Between "it is written that the provider is called now" and "stored", a process that is gone takes the answer with it, if there was one. Neither Claude nor OpenAI documents that a spent refresh token is answered again; using it a second time can end the whole
login, also where it would still have served. So nobody tries. Where a provider does say for how long it answers again (Berth knows it as the grace of a source), it is asked once more within that time, and the same cells go on.

A process that was only stopped still has what it needs. It was given up meanwhile, and others were served by the next credential; what it brings counts after all, unless somebody connected anew in between.

A worker that is asked to end (SIGTERM) takes no new work and waits for the renewals in its hands, at most 30 seconds. While it holds an answer that it cannot store it says so in its log again and again, and counts it (\`berth_credential_store_retries_total\`). After that it is as if it had been killed.

A login that is being connected has a code in place of a refresh token, and it serves once, too. Whoever is killed in the middle of its exchange leaves an attempt that nobody carries on: nothing is sent again, and beginning again works at once.`;

function matrix(): string {
  const head = ['', ...faults.map((fault) => faultFacts[fault].title)];
  const rows = steps.map((step) => [stepFacts[step].title, ...faults.map((fault) => cellOf(fault, step))]);
  return table([head, ...rows]);
}

function cellOf(fault: Fault, step: Step): string {
  const { ending, waiterGets, how } = cells[fault][step];
  const meanwhile = ending === 'goes on' && waiterGets === 'fallback' ? ', the next serves meanwhile' : '';
  return `**${ending}**${meanwhile}: ${how}`;
}

/** As Prettier lays it out. */
function table([head = [], ...rows]: string[][]): string {
  const widths = head.map((_, at) => Math.max(3, ...[head, ...rows].map((row) => row[at]?.length ?? 0)));
  const line = (row: string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function list(items: string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}
