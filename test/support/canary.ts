import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
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

  /**
   * The forms in which it could leave: its first eight characters (twelve of hex digits, which hold as much), and its end but what a hint shows, each as it is, as a text in JSON (also in JSON inside of JSON, and in ASCII
   * alone), in an address, in a form, in HTML and in hex; and all of it in base64 at each alignment.
   */
  get forms(): string[] {
    const isHex = /^[0-9a-f]+$/.test(this.random);
    const parts = [this.random.slice(0, isHex ? 12 : 8), this.random.slice(-16, -4)];
    // In base64 of a longer text a part looks otherwise at each offset of three; the inner characters of each are its own.
    const base64 = [0, 1, 2].map((offset) =>
      Buffer.concat([Buffer.alloc(offset), Buffer.from(this.random)])
        .toString('base64')
        .slice(offset === 0 ? 0 : 4, -4)
        .slice(0, 24),
    );
    const urlSafe = base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
    return [...new Set([...parts.flatMap(encodings), ...base64, ...urlSafe])];
  }
}

/** A text as it stands inside of others. */
function encodings(text: string): string[] {
  const json = (inner: string): string => JSON.stringify(inner).slice(1, -1);
  const ascii = json(text).replaceAll(
    /[^ -~]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const hex = Buffer.from(text).toString('hex');
  return [
    text,
    json(text),
    json(json(text)),
    json(text).replaceAll('/', '\\/'),
    ascii,
    encodeURIComponent(text),
    encodeURIComponent(text).toLowerCase(),
    new URLSearchParams({ x: text }).toString().slice(2),
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
    hex,
    hex.toUpperCase(),
  ];
}

/** Which canaries stand in a text, with the form that was found; also in what was packed with gzip and stands in it as base64 or hex. */
export function findCanaries(canaries: readonly Canary[], text: string): string[] {
  const texts = [text, ...unpacked(text)];
  return canaries.flatMap(({ name, forms }) => {
    const form = forms.find((candidate) => texts.some((one) => one.includes(candidate)));
    return form ? [`${name} (as ${form.slice(0, 4)}…)`] : [];
  });
}

/** What begins as gzip does (1f 8b 08), in base64 and in hex. */
const PACKED = [
  { looks: /H4sI[\w+/-]{16,}={0,2}/g, encoding: 'base64' },
  { looks: /1f8b08(?:[0-9a-f]{2}){10,}/gi, encoding: 'hex' },
] as const;

function unpacked(text: string): string[] {
  return PACKED.flatMap(({ looks, encoding }) =>
    [...text.matchAll(looks)].flatMap(([packed]) => {
      try {
        return [gunzipSync(Buffer.from(packed, encoding)).toString()];
      } catch {
        // It only looked like it.
        return [];
      }
    }),
  );
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

/** Everywhere a secret could have gone in a run of the app. */
export interface SearchedPlaces {
  /** All of the log, at debug level. */
  log: string;
  /** What the API answered, headers too, but for what hands a secret out once. */
  answers: readonly string[];
  /** The owner of the database: all rows of all schemas, those of the queue too. */
  ownerUrl: string;
  /** More texts by name: files, a dump of Redis, an environment. */
  others?: Readonly<Record<string, string>>;
}

/** Every place in which a canary stands, with its name; empty when none does. For the end of each figure that deals with secrets. */
export async function searchCanaries(
  canaries: readonly Canary[],
  { log, answers, ownerUrl, others = {} }: SearchedPlaces,
): Promise<string[]> {
  const inTexts = Object.entries({ log, ...others }).flatMap(([place, text]) =>
    findCanaries(canaries, text).map((what) => `${place}: ${what}`),
  );
  const inAnswers = answers.flatMap((answer) =>
    findCanaries(canaries, answer).map((what) => `answer ${answer.slice(0, 80)}: ${what}`),
  );
  return [...inTexts, ...inAnswers, ...(await findInDatabase(canaries, ownerUrl))];
}

async function schemasOf(ownerUrl: string): Promise<string[]> {
  const { rows } = await withClient(ownerUrl, (client) =>
    client.query<{ nspname: string }>(
      `SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`,
    ),
  );
  return rows.map(({ nspname }) => nspname);
}
