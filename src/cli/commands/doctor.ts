import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { doctorLineSchema, type CheckResult, type DoctorLine } from '../../contracts/index.js';
import type { CliContext } from '../context.js';
import { diagnosisJson, findingLines, summaryLine, worst } from '../diagnosis.js';
import { exitCodes } from '../exit-codes.js';
import { CliError, QuietExit } from '../failure.js';
import { withExamples } from '../help.js';
import { jsonText } from '../render.js';
import { requireServer } from '../server-program.js';

/** `berth doctor` */
export function doctorCommand(context: CliContext): Command {
  const command = new Command('doctor')
    .description('look for what keeps Berth from working on this machine, and say what to do about it')
    .option('--json', 'print {status, checks} as JSON')
    .action((options: { json?: true }) => doctor(context, options));
  command.addHelpText(
    'after',
    '\nRun it on the machine, as the user and with the environment that Berth runs with. It changes nothing.\n' +
      'It ends with 0 when all is well, with 8 when something is worth a look, with 1 when something must be mended.',
  );
  return withExamples(
    command,
    'berth doctor',
    'berth doctor --json | jq \'.checks[] | select(.status == "fail")\'',
  );
}

async function doctor(context: CliContext, options: { json?: true }): Promise<void> {
  requireServer(context.serverEntry);
  const results: CheckResult[] = [];
  for await (const line of examine(context.serverEntry)) {
    if (line.type === 'checking') {
      context.progress.glance(`Looking at: ${line.title}`);
      continue;
    }
    results.push(line.result);
    if (!options.json) context.out(findingLines(line.result, context.color));
  }
  context.out(options.json ? `${jsonText(diagnosisJson(results), 2)}\n` : `\n${summaryLine(results)}\n`);
  const exitCode = { ok: exitCodes.ok, warn: exitCodes.warnings, fail: exitCodes.failed }[worst(results)];
  if (exitCode !== exitCodes.ok) throw new QuietExit(exitCode);
}

/** Runs the server's own examination, whose rooms this command may not know, and reads what it tells. */
async function* examine(serverEntry: string): AsyncGenerator<DoctorLine> {
  const child = spawn(process.execPath, [...process.execArgv, serverEntry, 'doctor'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // Seen below; until then a program that could not be started must not end the process.
  ended.catch(() => undefined);
  const said = text(child.stderr);
  try {
    for await (const line of createInterface({ input: child.stdout }))
      yield doctorLineSchema.parse(JSON.parse(line));
    const code = await ended;
    if (code !== 0)
      throw new CliError(
        exitCodes.failed,
        'The examination broke off. If modules are missing, run "npm ci" in Berth\'s folder.',
        (await said).trim().split('\n').slice(0, 10),
      );
  } finally {
    child.kill();
  }
}
