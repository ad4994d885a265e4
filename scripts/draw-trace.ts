/**
 * Draws a captured trace as a waterfall: `tsx scripts/draw-trace.ts spans.json docs/trace.svg`. The spans are those that test/e2e/trace.e2e.test.ts keeps (BERTH_KEEP_TRACE=spans.json).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { CollectedSpan } from '../test/emulators/collector.js';

interface Row {
  span: CollectedSpan;
  depth: number;
  /** For each depth above, whether the line of the tree goes on below this row. */
  goesOn: boolean[];
}

const WIDTH = 1240;
const TREE = 452;
const RIGHT = 96;
const ROW = 30;
const TOP = 108;
const INDENT = 16;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const INK = '#1c2733';
const QUIET = '#66727f';
const LINE = '#e3e8ee';

/** Which of Berth's processes made the span: its color and its name for people. */
const services: Record<string, { color: string; title: string }> = {
  berth: { color: '#3b6fd4', title: 'Berth (API and worker)' },
  'berth-runner': { color: '#2a9d6f', title: 'runner, one per workspace' },
  'berth-proxy': { color: '#d9772b', title: 'proxy' },
};

/** The spans as rows, parents before children, siblings by time. */
function rowsOf(spans: CollectedSpan[]): Row[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const below = (parent: string | null): CollectedSpan[] =>
    spans
      .filter(({ parentSpanId }) =>
        parent === null ? !parentSpanId || !ids.has(parentSpanId) : parentSpanId === parent,
      )
      .sort((a, b) => a.startMs - b.startMs);
  const walk = (parent: string | null, depth: number, goesOn: boolean[]): Row[] =>
    below(parent).flatMap((span, index, all) => {
      const lines = [...goesOn, index < all.length - 1];
      return [{ span, depth, goesOn: lines }, ...walk(span.spanId, depth + 1, lines)];
    });
  return walk(null, 0, []);
}

/** A step of the axis with few digits, so that there are five to ten of them. */
function stepFor(total: number): number {
  const rough = total / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
}

function duration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function shorten(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}

/** What is worth saying beside a bar. */
function noteOf({ attributes }: CollectedSpan): string {
  const notes: string[] = [];
  const status = attributes['http.response.status_code'];
  if (status !== undefined) notes.push(String(status));
  const tokens = [attributes['gen_ai.usage.input_tokens'], attributes['gen_ai.usage.output_tokens']];
  if (tokens[0] !== undefined) notes.push(`${tokens[0]} → ${tokens[1] ?? '?'} tokens`);
  return notes.join(', ');
}

function draw(spans: CollectedSpan[]): string {
  const rows = rowsOf(spans);
  const begin = Math.min(...spans.map(({ startMs }) => startMs));
  const total = Math.max(...spans.map(({ endMs }) => endMs)) - begin;
  const height = TOP + rows.length * ROW + 30;
  const scale = (WIDTH - TREE - RIGHT) / total;
  const x = (ms: number): number => TREE + (ms - begin) * scale;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family='${FONT}' font-size="13" role="img" aria-label="Waterfall of one trace">`,
    `<rect width="${WIDTH}" height="${height}" rx="10" fill="#ffffff"/>`,
    ...header(spans, total),
    ...axis(total, scale, height),
    ...rows.flatMap((row, index) => drawRow(row, TOP + index * ROW, x)),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

function header(spans: CollectedSpan[], total: number): string[] {
  const parts = [
    `<text x="24" y="36" font-size="17" font-weight="600" fill="${INK}">One message, from the request to the model call and back</text>`,
    `<text x="24" y="57" fill="${QUIET}">${spans.length} spans of one trace in ${duration(total)}, as a collector received them: a sleeping workspace is woken, the agent works, and its commit is pushed</text>`,
  ];
  let left = 24;
  for (const [name, { color, title }] of Object.entries(services)) {
    if (!spans.some(({ service }) => service === name)) continue;
    parts.push(`<rect x="${left}" y="73" width="12" height="12" rx="3" fill="${color}"/>`);
    parts.push(`<text x="${left + 18}" y="83.5" fill="${INK}">${title}</text>`);
    left += 18 + title.length * 7.2 + 22;
  }
  parts.push(`<path d="M${left + 5} 74v11" stroke="${INK}" stroke-width="2"/>`);
  parts.push(`<text x="${left + 14}" y="83.5" fill="${INK}">first byte of the model’s answer</text>`);
  return parts;
}

function axis(total: number, scale: number, height: number): string[] {
  const parts: string[] = [];
  const step = stepFor(total);
  for (let ms = 0; ms <= total; ms += step) {
    const at = (TREE + ms * scale).toFixed(1);
    parts.push(`<path d="M${at} ${TOP - 4}V${height - 26}" stroke="${LINE}"/>`);
    parts.push(
      `<text x="${at}" y="${height - 10}" fill="${QUIET}" font-size="11.5" text-anchor="middle">${ms === 0 ? '0' : total >= 1000 ? `${+(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`}</text>`,
    );
  }
  return parts;
}

function drawRow({ span, depth, goesOn }: Row, top: number, x: (ms: number) => number): string[] {
  const { color } = services[span.service] ?? { color: '#888888' };
  const middle = top + ROW / 2;
  const left = 24 + depth * INDENT;
  const parts: string[] = [];
  for (let above = 1; above <= depth; above++) {
    const at = 24 + (above - 1) * INDENT + 5;
    if (above === depth) {
      parts.push(`<path d="M${at} ${top}V${middle}H${left - 3}" fill="none" stroke="#b8c2cc"/>`);
      if (goesOn[depth]) parts.push(`<path d="M${at} ${middle}V${top + ROW}" stroke="#b8c2cc"/>`);
    } else if (goesOn[above]) parts.push(`<path d="M${at} ${top}V${top + ROW}" stroke="#b8c2cc"/>`);
  }
  const characters = Math.floor((TREE - left - 24) / 6.7);
  parts.push(`<circle cx="${left + 5}" cy="${middle}" r="4" fill="${color}"/>`);
  parts.push(
    `<text x="${left + 16}" y="${middle + 4.5}" fill="${INK}">${escape(shorten(span.name, characters))}<title>${escape(span.name)}</title></text>`,
  );
  const [from, to] = [x(span.startMs), x(span.endMs)];
  const width = Math.max(to - from, 2);
  parts.push(
    `<rect x="${from.toFixed(1)}" y="${middle - 8}" width="${width.toFixed(1)}" height="16" rx="3" fill="${color}"${span.failed ? ' stroke="#c62828" stroke-width="2"' : ''}/>`,
  );
  for (const { atMs } of span.marks)
    parts.push(`<path d="M${x(atMs).toFixed(1)} ${middle - 8}v16" stroke="${INK}" stroke-width="2"/>`);
  parts.push(label(span, from, from + width, middle));
  return parts;
}

/** Right of the bar where there is room, else left of it. */
function label(span: CollectedSpan, from: number, to: number, middle: number): string {
  const note = noteOf(span);
  const text = duration(span.endMs - span.startMs) + (note ? `  ·  ${note}` : '');
  const fits = to + 10 + text.length * 6.2 < WIDTH - 8;
  const place = fits ? `x="${(to + 7).toFixed(1)}"` : `x="${(from - 7).toFixed(1)}" text-anchor="end"`;
  return `<text ${place} y="${middle + 4}" font-size="11.5" fill="${QUIET}">${escape(text)}</text>`;
}

const [from, to] = process.argv.slice(2);
if (!from || !to) {
  console.error('usage: tsx scripts/draw-trace.ts <spans.json> <picture.svg>');
  process.exit(64);
}
writeFileSync(to, draw(JSON.parse(readFileSync(from, 'utf8')) as CollectedSpan[]));
