import { FakeTimer } from '../timer.js';
import type { AgentItem } from './driver.js';
import { ItemWriter } from './item-writer.js';

describe('ItemWriter', () => {
  let timer: FakeTimer;
  let items: AgentItem[];
  let writer: ItemWriter;

  beforeEach(() => {
    timer = new FakeTimer();
    items = [];
    writer = new ItemWriter(timer, (item) => items.push(item));
  });

  it('passes the first piece on at once, and those that follow together every 100 ms', () => {
    const texts = () => items.map((item) => ('text' in item ? item.text : ''));
    writer.text('a');
    expect(texts()).toEqual(['a']);
    timer.advance(60);
    writer.text('b');
    writer.text('c');
    timer.advance(39);
    expect(texts()).toEqual(['a']);
    timer.advance(1);
    expect(texts()).toEqual(['a', 'bc']);
    timer.advance(100);
    writer.text('d');
    expect(texts()).toEqual(['a', 'bc', 'd']);
  });

  it('passes 2 KB on at once, in pieces that cut no character', () => {
    const text = `${'x'.repeat(2047)}😀${'y'.repeat(5000)}`;
    writer.text(text);
    const pieces = items.map((item) => ('text' in item ? item.text : ''));
    expect(pieces.join('')).toBe(text);
    expect(pieces.every((piece) => piece.length <= 2048 && Buffer.from(piece).toString() === piece)).toBe(
      true,
    );
  });

  it('passes a plan on behind the words before it, cut, and not the same again', () => {
    const plan = [{ content: 'x'.repeat(400), status: 'pending' as const }];
    writer.text('first');
    writer.text(' and second');
    writer.plan(plan);
    writer.plan(plan);
    writer.plan(Array.from({ length: 60 }, () => ({ content: 'y', status: 'completed' as const })));
    expect(items.map(({ type }) => type)).toEqual(['agent.text', 'agent.text', 'agent.plan', 'agent.plan']);
    expect(items[2]).toEqual({
      type: 'agent.plan',
      items: [{ content: `${'x'.repeat(299)}…`, status: 'pending' }],
    });
    expect(items[3]).toMatchObject({ items: { length: 50 } });
  });

  it('keeps the order of text and tools, and blocks of text apart', () => {
    writer.paragraph();
    writer.text('first');
    writer.toolStarted('1', 'Bash', 'ls');
    writer.toolEnded('1', true, 'x'.repeat(5000));
    writer.paragraph();
    writer.text('second');
    writer.answer('second');
    expect(items).toEqual([
      { type: 'agent.text', text: 'first' },
      { type: 'agent.tool', toolId: '1', name: 'Bash', state: 'started', summary: 'ls' },
      expect.objectContaining({ state: 'completed', summary: `${'x'.repeat(1999)}…` }),
      { type: 'agent.text', text: '\n\nsecond' },
      { type: 'agent.answer', text: 'second' },
    ]);
  });

  it('ends tools that the agent left open, and starts none twice', () => {
    writer.toolStarted('1', 'Bash', '');
    writer.toolStarted('1', 'Bash', '');
    writer.toolEnded('2', true, 'never started');
    writer.end();
    expect(items.map((item) => ('state' in item ? item.state : ''))).toEqual(['started', 'failed']);
  });

  it('cuts an answer that would not fit a report', () => {
    writer.answer('\u0001'.repeat(400_000));
    const [answer] = items;
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(256 * 1024);
  });
});
