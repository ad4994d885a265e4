import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { transformFile } from '@swc/core';
import { build, type BuildOptions, type Plugin } from 'esbuild';

const ROOT = path.dirname(import.meta.dirname);

/** Where the code is, and where it begins: Nest's description of a project, which its own tools and editors read, too. */
export const project = JSON.parse(readFileSync(path.join(ROOT, 'nest-cli.json'), 'utf8')) as {
  sourceRoot: string;
  entryFile: string;
};

/** Stay in node_modules: what is native, what others look for only if it is there, and reflect-metadata, which has to run before any class is decorated. */
const EXTERNAL = [
  'reflect-metadata',
  '@node-rs/argon2',
  'msgpackr-extract',
  'pg-native',
  'class-transformer',
  'class-validator',
  '@nestjs/microservices',
  '@nestjs/websockets',
];

/** esbuild writes no types of parameters into the code, by which Nest knows what a class is given. swc does, as in the tests. */
const decorated: Plugin = {
  name: 'decorated',
  setup: (bundler) => {
    bundler.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
      const { code } = await transformFile(file, { cwd: ROOT, swcrc: true, sourceMaps: 'inline' });
      return { contents: code, loader: 'js' };
    });
  },
};

const OPTIONS: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: EXTERNAL,
  plugins: [decorated],
  // Libraries in CommonJS ask for Node's own modules by it.
  banner: {
    js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`,
  },
  legalComments: 'none',
  sourcemap: 'linked',
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
};

/**
 * Bundles programs of Berth (`main` is `src/main.ts`) with their libraries into few files below `outdir`: `main.js`, and what they share or load late below `chunks`. Node takes some
 * 0.4 ms to find, read and link each module, and an api has two thousand. Lines and names stay legible; `node --enable-source-maps` leads to the lines of `src`.
 */
export async function bundle(outdir: string, programs: readonly string[]): Promise<void> {
  await write({
    outdir,
    entryPoints: entriesOf(programs),
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
}

/** Bundles one program into one file that needs no other. */
export async function bundleAlone(outdir: string, program: string): Promise<void> {
  await write({ outdir, entryPoints: entriesOf([program]) });
}

function entriesOf(programs: readonly string[]): { in: string; out: string }[] {
  return programs.map((program) => ({ in: `${project.sourceRoot}/${program}.ts`, out: program }));
}

async function write(options: BuildOptions): Promise<void> {
  const { metafile } = await build({ ...OPTIONS, ...options });
  const files = Object.keys(metafile?.outputs ?? {}).filter((file) => file.endsWith('.js'));
  await Promise.all(files.map((file) => writeAscii(path.join(ROOT, file))));
}

/** One dash in a comment of a library, and V8 keeps the text of the whole file at two bytes a letter: 10 MB more for each process. esbuild leaves them in comments and regular expressions, where an escape means the same. */
async function writeAscii(file: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  const ascii = text.replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (ascii !== text) await writeFile(file, ascii);
}
