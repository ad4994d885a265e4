import { until } from '../../test/emulators/until.js';
import { send, type Answer } from './testing/http.js';
import { PLACEHOLDER, startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const API_KEY = 'sk-ant-api03-real-key-of-the-lease-tests';

describe('a model call and its lease', () => {
  let proxy: ProxyUnderTest;
  let upstreamCalls: number;

  beforeEach(async () => {
    upstreamCalls = 0;
    proxy = await startProxy(
      (request, response) => {
        upstreamCalls += 1;
        request.resume().on('end', () => response.end('{}'));
      },
      // Shorter than any pause that is asked for here: nothing is waited out.
      { limits: { holdSeconds: 1.5, notYetSeconds: 0.01 } },
    );
  });

  afterEach(() => proxy.close());

  const call = (): Promise<Answer> =>
    send(proxy.socket, {
      path: '/anthropic/v1/messages',
      headers: { authorization: `Bearer ${PLACEHOLDER}` },
      body: '{}',
    });

  it('gets one lease for 100 concurrent requests and keeps it', async () => {
    proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    let open: () => void = () => undefined;
    proxy.controlPlane.leaseGate = new Promise((resolve) => (open = resolve));
    const answers = Array.from({ length: 100 }, () => call());
    await until('the lease call', () => proxy.controlPlane.leaseCalls.length === 1);
    expect(upstreamCalls).toBe(0);
    open();
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
    expect(upstreamCalls).toBe(100);
    await call();
    expect(proxy.controlPlane.leaseCalls).toHaveLength(1);
  });

  it.each([
    [401, {}, 403, /not running/],
    [403, {}, 403, /not running/],
    [403, { code: 'forbidden', detail: 'Who asked is not a member any more.' }, 403, /not a member any more/],
    [409, { code: 'workspace-deleting' }, 403, /not running/],
    [
      409,
      { code: 'no-agent-credential', detail: 'Add a Claude credential.' },
      401,
      /Add a Claude credential\./,
    ],
    [503, {}, 503, /Try again/],
    [500, {}, 503, /Try again/],
  ])('turns a lease answer %i %j into %i', async (status, body, expected, text) => {
    proxy.controlPlane.leaseAnswers = [{ status, body, headers: { 'retry-after': '9' } }];
    const answer = await call();
    expect(answer.status).toBe(expected);
    expect(answer.body).toMatch(text);
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'error' });
    expect(answer.headers['retry-after']).toBe(expected === 503 ? '9' : undefined);
    expect(answer.headers['x-should-retry']).toBe(expected === 503 ? undefined : 'false');
    expect(upstreamCalls).toBe(0);
  });

  it('waits out what is not ready for a moment, and is answered', async () => {
    const lease = proxy.controlPlane.lease({ kind: 'anthropic_api_key', apiKey: API_KEY });
    const later = { status: 503, body: {}, headers: { 'retry-after': '0' } };
    proxy.controlPlane.leaseAnswers = [later, later, { status: 200, body: lease }];
    expect(await call()).toMatchObject({ status: 200 });
    expect([upstreamCalls, proxy.controlPlane.leaseCalls.length]).toEqual([1, 3]);
  });

  it('answers 503 with Retry-After when the control plane is away or talks nonsense', async () => {
    proxy.controlPlane.leaseAnswers = [{ status: 200, body: { secret: { kind: 'x', apiKey: API_KEY } } }];
    expect(await call()).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    await proxy.controlPlane.close();
    expect(await call()).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
  });
});
