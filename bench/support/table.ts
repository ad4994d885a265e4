import type { Row } from '../bench.js';

/** A row with the bench it came from. */
export interface Result extends Row {
  bench: string;
}

/** How many times the yardstick it is; null without one. */
export function ratioOf({ measured, yardstick }: Row): number | null {
  return yardstick && yardstick.value > 0 ? measured / yardstick.value : null;
}

/** True when the aim is met; null when there is none. */
export function meetsAim({ measured, aim }: Row): boolean | null {
  return aim === null ? null : measured <= aim;
}

const HEAD = ['bench', 'what', 'median', '95 %', 'yardstick', 'value', 'ratio', 'aim', 'aim met'];
/** Columns of numbers stand right. */
const RIGHT = new Set([2, 3, 5, 6, 7]);

/** The results as an aligned table. */
export function tableOf(results: readonly Result[]): string {
  const lines = [HEAD, ...results.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const format = (line: readonly string[]): string =>
    line
      .map((text, column) =>
        RIGHT.has(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const [head = '', ...rest] = lines.map(format);
  return [head, '-'.repeat(head.length), ...rest].join('\n');
}

function cells(result: Result): string[] {
  const { bench, what, unit, measured, spread, yardstick, aim } = result;
  const amount = (value: number | null): string => (value === null ? '' : `${digits(value)} ${unit}`);
  const ratio = ratioOf(result);
  const met = meetsAim(result);
  return [
    bench,
    what,
    amount(measured),
    amount(spread?.p95 ?? null),
    yardstick?.what ?? '',
    amount(yardstick?.value ?? null),
    ratio === null ? '' : `${digits(ratio)} x`,
    aim === null ? '' : `<= ${aim} ${unit}`,
    met === null ? '' : met ? 'yes' : 'NO',
  ];
}

/** As many digits as can be meant. */
function digits(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}
