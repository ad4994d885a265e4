/** `npm run lint`: Prisma's client, then types, ESLint, arrows and formatting side by side, since each uses one core. All are told of, also when one fails. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { root, run } from './prepare.mjs';

const CHECKS = [
  ['eslint', '.'],
  ['tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['depcruise', 'src', 'test', '--config', '.dependency-cruiser.mjs'],
  ['prettier', '--check', '.'],
];

process.chdir(root);
run('npm', ['run', '-s', 'generate']);
const failed = (await Promise.all(CHECKS.map(check))).filter((name) => name !== null);
if (failed.length > 0) console.error(`Failed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);

/** Answers its name when it fails. What it said comes in one piece, not among what the others say. */
async function check([name, ...words]) {
  const child = spawn('npx', [name, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => said.push(piece));
  const [code] = await once(child, 'close');
  process.stdout.write(Buffer.concat(said));
  return code === 0 ? null : name;
}
