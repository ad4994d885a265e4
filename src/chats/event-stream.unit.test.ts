import { createParser } from 'eventsource-parser';
import { eventFrame, KEEP_ALIVE_FRAME, resumeAfter } from './event-stream.js';

const event = (data: Record<string, unknown>) => ({
  seq: 7,
  type: 'agent.text',
  at: new Date('2026-01-02T03:04:05.678Z'),
  data,
});

describe('eventFrame', () => {
  it.each([
    ['plain text', { text: 'hello' }],
    ['line breaks that would end a field', { text: 'a\nb\r\nc\rd\n\n' }],
    ['what looks like another event', { text: '\n\nid: 99\ndata: {}\n\n' }],
    ['separators that JSON leaves as they are', { text: 'a\u2028b\u2029c' }],
    ['NUL and other control characters', { text: '\u0000\u0007' }],
    ['nothing', {}],
  ])('carries %s through a standard parser unchanged', (_, data) => {
    const seen: { id: string | undefined; event: string | undefined; data: unknown }[] = [];
    const parser = createParser({
      onEvent: ({ id, event: type, data: text }) => seen.push({ id, event: type, data: JSON.parse(text) }),
    });
    parser.feed(KEEP_ALIVE_FRAME + eventFrame(event(data)) + KEEP_ALIVE_FRAME);
    expect(seen).toEqual([
      {
        id: '7',
        event: 'agent.text',
        data: { seq: 7, at: '2026-01-02T03:04:05.678Z', type: 'agent.text', data },
      },
    ]);
  });
});

describe('resumeAfter', () => {
  it.each([
    ['nothing said', undefined, undefined, 0],
    ['an empty header, as a browser sends before the first id', '', undefined, 0],
    ['an empty header and a query', '', 5, 5],
    ['a query', undefined, 5, 5],
    ['zero', '0', undefined, 0],
    ['a number', '42', undefined, 42],
    ['a number and a query: the header is newer', '42', 5, 42],
    ['leading zeros', '007', undefined, 7],
    ['the longest', '9'.repeat(15), undefined, 999_999_999_999_999],
    ['too long', '9'.repeat(16), undefined, null],
    ['negative', '-1', undefined, null],
    ['a fraction', '1.5', undefined, null],
    ['an exponent', '1e3', undefined, null],
    ['hexadecimal', '0x10', undefined, null],
    ['words', 'latest', undefined, null],
    ['several', '1, 2', undefined, null],
    ['spaces', ' 1', undefined, null],
    ['other digits', '１', undefined, null],
  ] as [string, string | undefined, number | undefined, number | null][])('%s', (_, header, query, after) => {
    expect(resumeAfter(header, query)).toBe(after);
  });
});
