import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { Prepared } from './testing/fake-control-plane.js';
import { until } from '../../test/emulators/until.js';
import { PLACEHOLDER, PROXY_TOKEN } from './testing/proxy-under-test.js';
import {
  CHATGPT,
  KEY,
  NEW,
  OLD,
  OPENAI,
  RefusingUpstream,
  textOfSecret,
} from './testing/refusing-upstream.js';

describe('a model call whose credential is refused', () => {
  let upstream: RefusingUpstream;

  beforeEach(async () => {
    upstream = await RefusingUpstream.start();
  });
  afterEach(() => upstream.close());

  it('is answered in one call that is only slow: reported, leased anew, sent again', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW]);
    upstream.accept(NEW);
    expect(await upstream.call()).toMatchObject({ status: 200, body: '{"model":"claude-x"}' });
    await until('the receipt', () => upstream.generations('served').length === 1);
    expect(upstream.proxy.controlPlane.order.slice(0, 3)).toEqual(['lease', 'report 204', 'lease']);
    expect([upstream.generations('refused'), upstream.generations('served')]).toEqual([[1], [2]]);
    expect(upstream.seen.map(({ headers }) => [headers.authorization, headers['anthropic-beta']])).toEqual(
      [OLD, NEW].map((secret) => [`Bearer ${textOfSecret(secret)}`, 'one-2025,oauth-2025-04-20']),
    );
    await upstream.call();
    expect(upstream.proxy.controlPlane.leaseCalls).toHaveLength(2);
  });

  it('is sent again whole, whatever its size', async () => {
    upstream.proxy.controlPlane.succession([OLD, OLD, NEW]);
    upstream.accept(NEW);
    const body = randomBytes(10 * 1024 * 1024);
    upstream.respond = (one, response) =>
      upstream.answer({ ...one, secret: upstream.seen.length < 3 ? 'nothing' : textOfSecret(NEW) }, response);
    expect(await upstream.call({ body })).toMatchObject({ status: 200 });
    const digest = createHash('sha256').update(body.toString('utf8')).digest('hex');
    expect(upstream.seen.map((one) => [one.digest, one.headers['content-length']])).toEqual(
      Array.from({ length: 3 }, () => [digest, String(body.length)]),
    );
  });

  it('heals 100 at a time with one lease more, and reports each once at most', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW]);
    upstream.accept(NEW);
    const held: (() => void)[] = [];
    upstream.respond = (one, response) => {
      if (one.secret === textOfSecret(NEW)) upstream.answer(one, response);
      else held.push(() => upstream.answer(one, response));
    };
    const answers = Array.from({ length: 100 }, () => upstream.call());
    await until('all at the upstream', () => held.length === 100);
    for (const release of held) release();
    for (const one of await Promise.all(answers)) expect(one.status).toBe(200);
    expect(upstream.seen).toHaveLength(200);
    expect(new Set(upstream.generations('refused'))).toEqual(new Set([1]));
    expect(upstream.generations('refused').length).toBeLessThanOrEqual(100);
    expect(upstream.proxy.controlPlane.leaseCalls).toHaveLength(2);
  });

  it('waits while the control plane leases the refused one again, and while it says not yet', async () => {
    const stale = upstream.proxy.controlPlane.lease(OLD);
    const answers: Prepared[] = [
      { status: 200, body: stale },
      { status: 200, body: stale },
      { status: 503, body: {}, headers: { 'retry-after': '0' } },
      { status: 200, body: { ...stale, generation: 2, secret: NEW } },
    ];
    upstream.proxy.controlPlane.leaseAnswers = answers;
    upstream.accept(NEW);
    expect(await upstream.call()).toMatchObject({ status: 200 });
    expect(upstream.seen).toHaveLength(2);
    expect(upstream.proxy.controlPlane.leaseCalls).toHaveLength(4);
  });

  it('waits while the control plane is away', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW]);
    upstream.accept(NEW);
    upstream.proxy.controlPlane.reportStatuses = [500, 502];
    const nextLease = upstream.proxy.controlPlane.nextLease;
    let leases = 0;
    upstream.proxy.controlPlane.nextLease = (name) => {
      leases += 1;
      if (leases === 2 || leases === 3) return { status: 502, body: {}, headers: { 'retry-after': '0' } };
      return nextLease?.(name) ?? { status: 500, body: {} };
    };
    expect(await upstream.call()).toMatchObject({ status: 200 });
    expect(upstream.seen).toHaveLength(2);
  });

  it('goes to another kind with headers that are wholly its own', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW, KEY]);
    upstream.accept(KEY);
    expect(await upstream.call()).toMatchObject({ status: 200 });
    expect(upstream.seen.map(({ headers }) => headers['anthropic-beta'])).toEqual([
      'one-2025,oauth-2025-04-20',
      'one-2025,oauth-2025-04-20',
      'one-2025',
    ]);
    expect(upstream.seen[2]?.headers).toMatchObject({ 'x-api-key': textOfSecret(KEY) });
    expect(upstream.seen[2]?.headers).not.toHaveProperty('authorization');
  });

  it('goes from a ChatGPT login to a key: another server, another path, no account', async () => {
    upstream.proxy.controlPlane.succession([CHATGPT, OPENAI]);
    upstream.accept(OPENAI);
    const headers = {
      authorization: `Bearer ${PLACEHOLDER}`,
      'chatgpt-account-id': 'of-the-agent',
      originator: 'codex_exec',
    };
    expect(await upstream.call({ path: '/openai/v1/responses', headers })).toMatchObject({ status: 200 });
    expect(
      upstream.seen.map(({ url, headers: { originator, ...sent } }) => [
        url,
        sent['chatgpt-account-id'],
        sent.authorization,
        originator,
      ]),
    ).toEqual([
      ['/backend-api/codex/responses', 'acc_1', `Bearer ${textOfSecret(CHATGPT)}`, 'codex_exec'],
      ['/v1/responses', undefined, `Bearer ${textOfSecret(OPENAI)}`, 'codex_exec'],
    ]);
  });

  it('answers 404 where a ChatGPT login opens nothing', async () => {
    upstream.proxy.controlPlane.succession([CHATGPT]);
    const answers = [
      await upstream.call({ path: '/openai/v1/models', method: 'GET', body: '' }),
      await upstream.call({ path: '/openai/v1/chat/completions' }),
    ];
    for (const one of answers) {
      expect(one.status).toBe(404);
      expect(JSON.parse(one.body)).toMatchObject({
        error: { code: 'not_allowed', message: expect.stringMatching(/An API key would/) as string },
      });
    }
    expect(upstream.seen).toHaveLength(0);
  });

  it('ends with a text of our own when nothing is left', async () => {
    upstream.proxy.controlPlane.succession([OLD]);
    const one = await upstream.call();
    expect(one).toMatchObject({ status: 401, headers: { 'x-should-retry': 'false' } });
    expect(JSON.parse(one.body)).toMatchObject({
      type: 'error',
      error: {
        type: 'authentication_error',
        message: expect.stringMatching(/^Anthropic refused the credential/) as string,
      },
    });
    expect(one.headers).not.toHaveProperty('request-id');
  });

  it('is sent five times at most', async () => {
    upstream.proxy.controlPlane.succession(Array.from({ length: 9 }, () => OLD));
    expect(await upstream.call()).toMatchObject({ status: 401, headers: { 'x-should-retry': 'false' } });
    await until('the last report', () => upstream.generations('refused').length === 5);
    expect(upstream.generations('refused')).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(upstream.seen.map(({ digest }) => digest)).size).toBe(1);
    expect(upstream.seen).toHaveLength(5);
  });

  it('is answered 503 with Retry-After when its time is over', async () => {
    await upstream.close();
    upstream = await RefusingUpstream.start({ holdSeconds: 0.3 });
    upstream.proxy.controlPlane.lease(OLD);
    const began = performance.now();
    const one = await upstream.call();
    expect(performance.now() - began).toBeLessThan(5000);
    expect(one).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    expect(one.headers).not.toHaveProperty('x-should-retry');
    expect(upstream.seen).toHaveLength(1);
  });

  it.each(['its client leaves', 'its workspace is closed'])('ends at once when %s', async (reason) => {
    upstream.proxy.controlPlane.succession([OLD, NEW]);
    const lease = heldGate();
    upstream.respond = (one, response) => {
      upstream.proxy.controlPlane.leaseGate = lease.closed;
      upstream.answer(one, response);
    };
    const request = http.request({
      socketPath: upstream.proxy.socket,
      method: 'POST',
      ...upstream.message(),
    });
    const ended = once(request, 'error');
    request.end('{}');
    await until('the wait for the next lease', () => upstream.proxy.controlPlane.leaseCalls.length === 2);
    if (reason === 'its client leaves') request.destroy(new Error('left'));
    else void upstream.proxy.workspaces.close(upstream.proxy.command.workspaceId);
    await ended;
    await until('the end of the call', () =>
      upstream.proxy.log.lines.some((line) => line.includes('"outcome":"left"')),
    );
    lease.open();
    await upstream.proxy.workspaces.open(upstream.proxy.command);
    expect(await upstream.call({ path: '/anthropic/v1/messages/count_tokens' })).toMatchObject({
      status: 401,
    });
    expect(upstream.seen.map(({ url }) => url)).not.toContain(undefined);
    expect(upstream.seen.filter(({ url }) => url === '/v1/messages?beta=true')).toHaveLength(1);
  });

  it('asks anew once the parent says that the credential is another by now', async () => {
    const lease = upstream.proxy.controlPlane.lease(OLD);
    upstream.accept(OLD, NEW);
    await upstream.call();
    upstream.proxy.workspaces.forget('0198c0de-0000-7000-8000-00000000ffff');
    await upstream.call();
    upstream.proxy.controlPlane.lease(NEW, { generation: 2 });
    await upstream.call();
    expect(upstream.seen.map(({ secret }) => secret)).toEqual([OLD, OLD, OLD].map(textOfSecret));
    upstream.proxy.workspaces.forget(lease.credentialId);
    await upstream.call();
    expect(upstream.seen.at(-1)?.secret).toBe(textOfSecret(NEW));
    expect(upstream.proxy.controlPlane.leaseCalls).toHaveLength(2);
  });

  it('leaves its secrets in no log line, report or answer', async () => {
    upstream.proxy.controlPlane.succession([OLD, NEW, KEY]);
    const answers = [await upstream.call()];
    upstream.proxy.controlPlane.accepted.clear();
    upstream.proxy.controlPlane.succession([CHATGPT, OPENAI]);
    answers.push(await upstream.call({ path: '/openai/v1/responses' }));
    await until('the reports', () => upstream.generations('refused').length === 2);
    await upstream.proxy.controlPlane.close();
    await upstream.proxy.workspaces.close(upstream.proxy.command.workspaceId);
    const text = JSON.stringify([answers, upstream.proxy.log.lines, upstream.proxy.controlPlane.deliveries]);
    expect(text).toContain('\\"resends\\":2');
    for (const secret of [...[OLD, NEW, KEY, CHATGPT, OPENAI].map(textOfSecret), PLACEHOLDER, PROXY_TOKEN])
      expect(text).not.toContain(secret);
    expect(text).not.toContain('no-agent-may-see');
  });
});

/** Closed until `open`. */
function heldGate(): { closed: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => (open = resolve));
  return { closed, open: () => open() };
}
