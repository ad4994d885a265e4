import { styleText } from 'node:util';
import type { CheckResult, CheckStatus } from '../contracts/index.js';
import { printable } from './render.js';

const colors = { ok: 'green', warn: 'yellow', fail: 'red', skipped: 'dim' } as const;
const statusWidth = 'skipped'.length;
const titleWidth = 'Encryption keys'.length;

/** One finding for people: a line, and below it what to do. */
export function findingLines({ status, title, message, mend }: CheckResult, color: boolean): string {
  const word = status.padEnd(statusWidth);
  const shown = color ? styleText(colors[status], word, { validateStream: false }) : word;
  const indent = ' '.repeat(statusWidth + titleWidth + 4);
  const text = [printable(message), ...(mend === null ? [] : [`-> ${printable(mend)}`])].join('\n');
  return `${shown}  ${title.padEnd(titleWidth)}  ${text.replaceAll('\n', `\n${indent}`)}\n`;
}

/** What all findings come to; what was skipped counts for nothing. */
export function worst(results: CheckResult[]): 'ok' | 'warn' | 'fail' {
  if (count(results, 'fail') > 0) return 'fail';
  return count(results, 'warn') > 0 ? 'warn' : 'ok';
}

/** The last line for people. */
export function summaryLine(results: CheckResult[]): string {
  const [failed, warned] = [count(results, 'fail'), count(results, 'warn')];
  if (failed + warned === 0) return 'All is well.';
  const parts = [
    failed === 0 ? null : `${failed} must be mended`,
    warned === 0 ? null : `${warned} ${warned === 1 ? 'is' : 'are'} worth a look`,
    `${count(results, 'ok')} are fine`,
  ];
  return `${parts.filter((part) => part !== null).join(', ')}.`;
}

/** All findings for programs. */
export function diagnosisJson(results: CheckResult[]): { status: string; checks: CheckResult[] } {
  return { status: worst(results), checks: results };
}

function count(results: CheckResult[], status: CheckStatus): number {
  return results.filter((result) => result.status === status).length;
}
