import { agentSpanId, formatTraceParent, parseTraceParent, traceIdOf } from './trace-parent.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    // Flags that are not known yet change nothing.
    [`00-${TRACE}-${SPAN}-03`, true],
    // A later version may say more.
    [`01-${TRACE}-${SPAN}-01-what-comes`, true],
  ])('reads %s', (text, sampled) => {
    expect(parseTraceParent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
  });

  it.each([
    undefined,
    null,
    '',
    'nonsense',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-${SPAN}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01\n`,
    `01-${TRACE}-${SPAN}-01-${'x'.repeat(10_000)}`,
  ])('takes %j for none', (text) => {
    expect(parseTraceParent(text)).toBeNull();
  });

  it('is written as it is read', () => {
    const context = { traceId: TRACE, spanId: SPAN, sampled: true };
    expect(parseTraceParent(formatTraceParent(context))).toEqual(context);
    expect(traceIdOf(formatTraceParent(context))).toBe(TRACE);
  });

  it('names the agent’s span by the random half of the attempt’s id', () => {
    expect(agentSpanId('01a200e4-aaaa-7bbb-8ccc-0123456789ab')).toBe('8ccc0123456789ab');
  });
});
