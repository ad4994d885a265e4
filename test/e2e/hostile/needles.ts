import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Searching for secrets in every form in which one could lie about. */

/** Characters of a secret that are enough to call it found. */
const PIECE = 12;
/** Characters of base64 that are enough; three alignments, since a secret may begin anywhere in what was encoded. */
const ENCODED_PIECE = 20;

/** A secret to look for: its name for people, and the bytes of all its forms. */
export interface Needle {
  name: string;
  forms: Buffer[];
}

/** A credential nobody could guess, in the shape that the prefix promises. */
export function canary(prefix: string): string {
  return prefix + randomBytes(30).toString('base64url');
}

/** The forms of a secret: as it is (its beginning, its middle), in base64, in hexadecimal, in 16-bit characters. `prefix` is public and not looked for. */
export function needleOf(name: string, secret: string, prefix = ''): Needle {
  const body = secret.slice(prefix.length);
  if (body.length < 2 * PIECE) throw new Error(`${name} is too short to be looked for`);
  const bytes = Buffer.from(body);
  const base64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    // The first characters also carry bits of what stands before.
    return encoded.slice(shift === 0 ? 0 : shift + 1).slice(0, ENCODED_PIECE);
  });
  const plain = [body.slice(0, PIECE), body.slice(PIECE, 2 * PIECE)];
  const hex = plain.map((piece) => Buffer.from(piece).toString('hex'));
  const wide = Buffer.from(plain[0] ?? '', 'utf16le');
  return { name, forms: [...[...plain, ...base64, ...hex].map((text) => Buffer.from(text)), wide] };
}

/** Only the forms in which a program holds a text that it works with: memories are large. */
export function inMemoryForms(needles: readonly Needle[]): Needle[] {
  return needles.map(({ name, forms }) => ({
    name,
    forms: [forms.at(0), forms.at(-1)].filter((form) => form !== undefined),
  }));
}

/** Names of the secrets that the bytes contain. */
export function found(needles: readonly Needle[], bytes: Buffer): string[] {
  return needles.filter(({ forms }) => forms.some((form) => bytes.includes(form))).map(({ name }) => name);
}

/** Needles as the agent may have them: combined with a mask, so that the file that names them does not contain them. */
export function masked(needles: readonly Needle[]): {
  mask: string;
  needles: { name: string; forms: string[] }[];
} {
  const mask = randomBytes(64);
  const hide = (form: Buffer): string =>
    Buffer.from(form.map((byte, at) => byte ^ (mask[at % mask.length] ?? 0))).toString('hex');
  return {
    mask: mask.toString('hex'),
    needles: needles.map(({ name, forms }) => ({ name, forms: forms.map(hide) })),
  };
}

/** `name in file` for each file below the folder that contains a secret. Files that `skip` names by their path below it are left out. */
export function foundBelow(
  folder: string,
  needles: readonly Needle[],
  skip: (file: string) => boolean = () => false,
): string[] {
  const findings: string[] = [];
  let files = 0;
  const walk = (at: string): void => {
    for (const entry of entriesOf(at)) {
      const file = path.join(at, entry);
      const below = path.relative(folder, file);
      const kind = kindOf(file);
      if (kind === 'folder') walk(file);
      if (kind !== 'file' || skip(below)) continue;
      files += 1;
      findings.push(...found(needles, contentOf(file)).map((name) => `${name} in ${below}`));
    }
  };
  walk(folder);
  if (files === 0) throw new Error(`There are no files below ${folder}`);
  return findings;
}

/** `name in file of process` for the environment and the command line of every process that can be seen, but this one. */
export function foundInProcesses(needles: readonly Needle[]): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.flatMap((pid) =>
    ['environ', 'cmdline'].flatMap((file) =>
      found(needles, contentOf(`/proc/${pid}/${file}`)).map((name) => `${name} in ${file} of ${pid}`),
    ),
  );
}

/** Names of the secrets in the memory of a process. Rejects when it cannot be read. */
export async function foundInMemory(pid: number, needles: readonly Needle[]): Promise<string[]> {
  const script = fileURLToPath(new URL('./inside/memory.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    String(pid),
    JSON.stringify(masked(inMemoryForms(needles))),
  ]);
  return JSON.parse(stdout) as string[];
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // It was removed between two looks (a temporary file of Postgres).
    return [];
  }
}

function kindOf(file: string): 'folder' | 'file' | 'other' {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return 'folder';
  return found?.isFile() === true ? 'file' : 'other';
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
}
