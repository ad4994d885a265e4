import { randomBytes } from 'node:crypto';
import { escapeIdentifier } from 'pg';
import { columnsOf, withClient } from './tables.js';

/** A secret that is looked for everywhere: random, so that finding any form of it is no accident. */
export class Canary {
  /** The random part; what stands before it is public. */
  readonly random: string;
  readonly text: string;

  /** `alphabet` makes random text of bytes where base64url does not fit the kind. */
  constructor(
    readonly name: string,
    prefix: string,
    random = randomBytes(32).toString('base64url').replace(/[-_]/g, 'x'),
  ) {
    this.random = random;
    this.text = prefix + random;
  }

  /** The forms in which it could leave: as it is, its beginning, its end but what a hint shows, base64 at each alignment, hex. */
  get forms(): string[] {
    const bytes = Buffer.from(this.random);
    // In base64 of a longer text a part looks otherwise at each offset of three; the inner characters of each are its own.
    const base64 = [0, 1, 2].map((offset) =>
      Buffer.concat([Buffer.alloc(offset), bytes])
        .toString('base64')
        .slice(offset === 0 ? 0 : 4, -4)
        .slice(0, 24),
    );
    const start = this.random.slice(0, 12);
    return [start, this.random.slice(-16, -4), bytes.subarray(0, 12).toString('hex'), ...base64].flatMap(
      (form) => [
        form,
        // In base64url, and reversed upper and lower case of hex.
        form.replaceAll('+', '-').replaceAll('/', '_'),
      ],
    );
  }
}

/** Which canaries stand in a text, with the form that was found. */
export function findCanaries(canaries: readonly Canary[], text: string): string[] {
  return canaries.flatMap(({ name, forms }) => {
    const form = forms.find((candidate) => text.includes(candidate));
    return form ? [`${name} (as ${form.slice(0, 4)}…)`] : [];
  });
}

/** Every row of every table of every schema of ours that holds a canary, whatever the type of the column. Read as the owner. */
export async function findInDatabase(canaries: readonly Canary[], ownerUrl: string): Promise<string[]> {
  const columns = await columnsOf(ownerUrl, await schemasOf(ownerUrl));
  const tables = [
    ...new Set(columns.map(({ schema, table }) => `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`)),
  ];
  return withClient(ownerUrl, async (client) => {
    const found: string[] = [];
    for (const table of tables) {
      // A row as text has all its columns in it: json as text, bytes as hex.
      const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${table} t`);
      for (const { text } of rows)
        found.push(...findCanaries(canaries, text).map((what) => `${table}: ${what}`));
    }
    return found;
  });
}

async function schemasOf(ownerUrl: string): Promise<string[]> {
  const { rows } = await withClient(ownerUrl, (client) =>
    client.query<{ nspname: string }>(
      `SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`,
    ),
  );
  return rows.map(({ nspname }) => nspname);
}
