import http from 'node:http';
import { until } from '../../test/emulators/until.js';
import { begin, send, textOf, type Answer, type Call } from './testing/http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const KEY = { kind: 'anthropic_api_key', apiKey: 'sk-ant-api03-real-key-that-no-agent-may-see' } as const;
const ANSWER = JSON.stringify({ model: 'claude-x', usage: { input_tokens: 3, output_tokens: 5 } });

describe('calls that use a budget', () => {
  let proxy: ProxyUnderTest;
  let waiting: http.ServerResponse[];
  let arrived: string[];
  let most: number;

  beforeEach(async () => {
    [waiting, arrived, most] = [[], [], 0];
    proxy = await startProxy((request, response) => {
      void textOf(request).then((body) => {
        arrived.push(body);
        waiting.push(response);
        most = Math.max(most, waiting.length);
      });
    });
  });
  afterEach(() => proxy.close());

  const message = (name: string, more: Partial<Call> = {}): Call => ({
    path: '/anthropic/v1/messages',
    headers: { 'x-api-key': PLACEHOLDER, 'content-type': 'application/json' },
    body: JSON.stringify({ name, max_tokens: 77 }),
    ...more,
  });
  const call = (name: string, more: Partial<Call> = {}): Promise<Answer> =>
    send(proxy.socket, message(name, more));
  const answer = async (nth: number): Promise<void> => {
    await until(`call number ${nth}`, () => arrived.length >= nth);
    waiting.shift()?.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER);
  };

  it('go one after the other, each with a lease that was asked for when the one before was accounted for', async () => {
    proxy.controlPlane.lease(KEY, { budgeted: true });
    // The first delivery of what the first call used is lost.
    proxy.controlPlane.reportStatuses = [204, 500];
    const calls = ['a', 'b', 'c'].map((name) => call(name));
    for (let nth = 1; nth <= 3; nth++) await answer(nth);
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200]);
    await until('all reports', () => proxy.controlPlane.reports('usage').length === 3);
    expect(most).toBe(1);
    const { order } = proxy.controlPlane;
    // The lease that told of the budget serves none of the three.
    expect(order.filter((word) => word === 'lease')).toHaveLength(4);
    const third = order.lastIndexOf('lease');
    expect(order.slice(0, third)).toContain('report 500');
    expect(order[third - 1]).toBe('report 204');
  });

  it('and those that use none go at once, with one lease', async () => {
    proxy.controlPlane.lease(KEY);
    const calls = ['a', 'b', 'c'].map((name) => call(name));
    await until('all three', () => waiting.length === 3);
    for (let nth = 1; nth <= 3; nth++) await answer(nth);
    await Promise.all(calls);
    expect(proxy.controlPlane.leaseCalls).toHaveLength(1);
  });

  it('go at once again when the budget is taken away', async () => {
    proxy.controlPlane.lease(KEY, { budgeted: true });
    const first = call('a');
    await answer(1);
    await first;
    proxy.controlPlane.lease(KEY);
    const second = call('b');
    await answer(2);
    await second;
    const both = [call('c'), call('d')];
    await until('both', () => waiting.length === 2);
    for (let nth = 3; nth <= 4; nth++) await answer(nth);
    await Promise.all(both);
  });

  it('of an agent that leaves while it waits is not sent, and holds nobody up', async () => {
    proxy.controlPlane.lease(KEY, { budgeted: true });
    const first = call('a');
    await until('the first', () => arrived.length === 1);
    const leaving = http.request({ socketPath: proxy.socket, method: 'POST', ...message('left') });
    leaving.on('error', () => undefined).end(message('left').body);
    const { leaseCalls } = proxy.controlPlane;
    await new Promise((resolve) => leaving.once('finish', resolve));
    const third = call('c');
    leaving.destroy();
    expect(leaseCalls.length).toBe(2);
    await answer(1);
    await first;
    await answer(2);
    await third;
    expect(arrived.map((body) => (JSON.parse(body) as { name: string }).name)).toEqual(['a', 'c']);
  });

  it('where one is spent are refused in the provider’s own shape, for good', async () => {
    const detail = 'The monthly budget of the organization, $5.00, is spent.';
    proxy.controlPlane.leaseAnswers = [{ status: 403, body: { code: 'budget-spent', detail } }];
    const refused = await call('a');
    expect([refused.status, refused.headers['x-should-retry'], JSON.parse(refused.body)]).toMatchObject([
      403,
      'false',
      { type: 'error', error: { type: 'permission_error', message: detail } },
    ]);
    const headers = { authorization: `Bearer ${PLACEHOLDER}`, 'content-type': 'application/json' };
    const other = await call('b', { path: '/openai/v1/responses', headers });
    expect([other.status, JSON.parse(other.body)]).toMatchObject([
      403,
      { error: { message: detail, code: 'budget_spent' } },
    ]);
    expect(arrived).toEqual([]);
  });

  it('of which nothing is told are reported with what they may have used', async () => {
    proxy.controlPlane.lease(KEY);
    const cut = begin(proxy.socket, message('a'));
    await until('it', () => waiting.length === 1);
    waiting[0]?.writeHead(200, { 'content-type': 'text/event-stream' }).write(': nothing yet\n\n');
    const { response } = await cut;
    response.on('error', () => undefined);
    waiting[0]?.destroy();
    await until('the report', () => proxy.controlPlane.reports('usage').length === 1);
    const inputTokens = Math.ceil(Buffer.byteLength(JSON.stringify({ name: 'a', max_tokens: 77 })) / 3);
    expect(proxy.controlPlane.reports('usage')[0]).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      atMost: { inputTokens, outputTokens: 77 },
    });
  });

  it('whose agent leaves before it is answered are reported too: the model may have worked for it', async () => {
    proxy.controlPlane.lease(KEY, { budgeted: true });
    const leaving = http.request({ socketPath: proxy.socket, method: 'POST', ...message('left') });
    leaving.on('error', () => undefined).end(message('left').body);
    await until('it', () => waiting.length === 1);
    leaving.destroy();
    const next = call('next');
    await until('the next', () => arrived.length === 2);
    waiting.shift();
    await answer(2);
    await next;
    await until('both reports', () => proxy.controlPlane.reports('usage').length === 2);
    const told = proxy.controlPlane
      .reports('usage')
      .map(({ outputTokens, atMost }) => [outputTokens, atMost?.outputTokens]);
    expect(told).toEqual([
      [null, 77],
      [5, undefined],
    ]);
    const { order } = proxy.controlPlane;
    expect(order.indexOf('report 204')).toBeLessThan(order.lastIndexOf('lease'));
  });

  it('tell what was written to a cache for an hour', async () => {
    proxy.controlPlane.lease(KEY);
    const one = call('a');
    await until('it', () => waiting.length === 1);
    const cache_creation = { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 };
    const usage = { input_tokens: 1, output_tokens: 2, cache_creation_input_tokens: 7, cache_creation };
    waiting[0]?.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ usage }));
    await one;
    await until('the report', () => proxy.controlPlane.reports('usage').length === 1);
    const [told] = proxy.controlPlane.reports('usage');
    expect(told).toMatchObject({ cacheWriteTokens: 7, cacheHourTokens: 4 });
    expect(told).not.toHaveProperty('atMost');
  });
});
