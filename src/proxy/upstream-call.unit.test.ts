import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Dispatcher, Pool } from 'undici';
import { relay, type RelayRules } from './upstream-call.js';

/** The parts of a ServerResponse that the core uses, with a write that says when it is full. */
class FakeResponse extends EventEmitter {
  destroyed = false;
  closed = false;
  full = false;
  sendDate = true;
  written: string[] = [];
  head: unknown[] = [];
  ended = false;
  flushed = 0;
  writeHead(...head: unknown[]): void {
    this.head = head;
  }
  flushHeaders(): void {
    this.flushed += 1;
  }
  write(chunk: Buffer): boolean {
    this.written.push(chunk.toString());
    return !this.full;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

class FakeController {
  calls: string[] = [];
  aborted = false;
  paused = false;
  reason = null;
  rawHeaders = [Buffer.from('X-A'), Buffer.from('b')];
  pause = (): void => void this.calls.push('pause');
  resume = (): void => void this.calls.push('resume');
  abort = (): void => void this.calls.push('abort');
}

const RULES: RelayRules = {
  withhold: (status) => status === 401,
  filter: (headers) => headers,
  maxWithheldBytes: 10,
  withheldTimeoutSeconds: 5,
};

function start(rules: Partial<RelayRules> = {}) {
  const response = new FakeResponse();
  const controller = new FakeController();
  let handler: Required<Dispatcher.DispatchHandler> | undefined;
  const pool = {
    dispatch: (_options: unknown, given: Dispatcher.DispatchHandler) => {
      handler = given as Required<Dispatcher.DispatchHandler>;
      handler.onRequestStart(controller, null);
      return true;
    },
  } as unknown as Pool;
  const outcome = relay(
    { pool, host: 'upstream.example', basePath: '/base' },
    { method: 'POST', path: '/x', headers: [], body: null },
    response as unknown as ServerResponse,
    { ...RULES, ...rules },
  );
  if (!handler) throw new Error('not dispatched');
  return { response, controller, handler, outcome };
}

describe('relay', () => {
  it('pauses the upstream while the client is full, and resumes when it has drained', async () => {
    const { response, controller, handler, outcome } = start();
    handler.onResponseStart(controller, 200, {});
    handler.onResponseData(controller, Buffer.from('a'));
    expect(controller.calls).toEqual([]);
    response.full = true;
    handler.onResponseData(controller, Buffer.from('b'));
    expect(controller.calls).toEqual(['pause']);
    response.emit('drain');
    expect(controller.calls).toEqual(['pause', 'resume']);
    handler.onResponseEnd(controller, {});
    expect(await outcome).toEqual({ kind: 'relayed', status: 200, complete: true });
    expect(response).toMatchObject({ written: ['a', 'b'], ended: true, head: [200, ['X-A', 'b']] });
    expect(response.listenerCount('drain') + response.listenerCount('close')).toBe(0);
  });

  it('writes to the client before the tap sees the chunk', () => {
    const seen: string[] = [];
    const { response, controller, handler } = start({
      onHead: () => ({ data: () => void seen.push(response.written.join()), end: () => undefined }),
    });
    handler.onResponseStart(controller, 200, {});
    handler.onResponseData(controller, Buffer.from('a'));
    expect(seen).toEqual(['a']);
  });

  it('sends a head at once when no body comes with it, and not by itself when one does', async () => {
    const alone = start();
    alone.handler.onResponseStart(alone.controller, 103, {});
    expect(alone.response.head).toEqual([]);
    alone.handler.onResponseStart(alone.controller, 200, {});
    const together = start();
    together.handler.onResponseStart(together.controller, 200, {});
    together.handler.onResponseData(together.controller, Buffer.from('a'));
    await new Promise(setImmediate);
    expect([alone.response.flushed, together.response.flushed]).toEqual([1, 0]);
  });

  it('breaks the client’s connection when the upstream breaks off, and never ends it well', async () => {
    const ends: boolean[] = [];
    const { response, controller, handler, outcome } = start({
      onHead: () => ({ data: () => undefined, end: (complete) => void ends.push(complete) }),
    });
    handler.onResponseStart(controller, 200, {});
    handler.onResponseError(controller, new Error('other side closed'));
    expect(await outcome).toEqual({ kind: 'relayed', status: 200, complete: false });
    expect(response).toMatchObject({ destroyed: true, ended: false });
    expect(ends).toEqual([false]);
  });

  it('aborts the upstream when the client leaves', async () => {
    const before = start();
    before.response.emit('close');
    expect(await before.outcome).toEqual({ kind: 'client-gone', sent: true });
    const amid = start();
    amid.handler.onResponseStart(amid.controller, 200, {});
    amid.response.emit('close');
    expect(await amid.outcome).toEqual({ kind: 'relayed', status: 200, complete: false });
    expect([before.controller.calls, amid.controller.calls]).toEqual([['abort'], ['abort']]);
    // What still comes is for nobody.
    amid.handler.onResponseData(amid.controller, Buffer.from('late'));
    amid.handler.onResponseError(amid.controller, new Error('late'));
    expect(amid.response.written).toEqual([]);
  });

  it('withholds an answer, up to its bound', async () => {
    const whole = start();
    whole.handler.onResponseStart(whole.controller, 401, {});
    whole.handler.onResponseData(whole.controller, Buffer.from('secret'));
    whole.handler.onResponseEnd(whole.controller, {});
    expect(await whole.outcome).toMatchObject({ kind: 'withheld', status: 401, body: Buffer.from('secret') });
    const large = start();
    large.handler.onResponseStart(large.controller, 401, {});
    large.handler.onResponseData(large.controller, Buffer.from('0123456789abc'));
    expect(await large.outcome).toMatchObject({ kind: 'withheld', body: Buffer.from('0123456789') });
    expect(large.controller.calls).toEqual(['abort']);
    const broken = start();
    broken.handler.onResponseStart(broken.controller, 401, {});
    broken.handler.onResponseError(broken.controller, new Error('cut'));
    expect(await broken.outcome).toMatchObject({ kind: 'withheld', status: 401 });
    for (const { response } of [whole, large, broken])
      expect(response).toMatchObject({ head: [], written: [] });
  });

  it('passes a withheld answer on after all when it is released', async () => {
    const release = (status: number, _headers: string[], body: Buffer): boolean =>
      status === 401 && body.toString().startsWith('ok');
    const whole = start({ release });
    whole.handler.onResponseStart(whole.controller, 401, {});
    whole.handler.onResponseData(whole.controller, Buffer.from('ok 1'));
    expect(whole.response.head).toEqual([]);
    whole.handler.onResponseEnd(whole.controller, {});
    expect(await whole.outcome).toEqual({ kind: 'relayed', status: 401, complete: true });
    expect(whole.response).toMatchObject({ head: [401, ['X-A', 'b']], written: ['ok 1'], ended: true });

    // Larger than what is read: all of it goes on, and what comes is streamed.
    const large = start({ release });
    large.handler.onResponseStart(large.controller, 401, {});
    large.response.full = true;
    large.handler.onResponseData(large.controller, Buffer.from('ok 123456789'));
    large.handler.onResponseData(large.controller, Buffer.from('more'));
    expect(large.controller.calls).toEqual(['pause', 'pause']);
    large.handler.onResponseEnd(large.controller, {});
    expect(large.response.written).toEqual(['ok 123456789', 'more']);

    const empty = start({ release: () => true });
    empty.handler.onResponseStart(empty.controller, 401, {});
    empty.handler.onResponseEnd(empty.controller, {});
    expect(empty.response).toMatchObject({ written: [], ended: true });
    const broken = start({ release });
    broken.handler.onResponseStart(broken.controller, 401, {});
    broken.handler.onResponseData(broken.controller, Buffer.from('ok'));
    broken.handler.onResponseError(broken.controller, new Error('cut'));
    expect(await broken.outcome).toEqual({ kind: 'relayed', status: 401, complete: false });
    expect(broken.response).toMatchObject({ written: ['ok'], destroyed: true });

    const kept = start({ release });
    kept.handler.onResponseStart(kept.controller, 401, {});
    kept.handler.onResponseData(kept.controller, Buffer.from('secret'));
    kept.response.emit('close');
    expect(await kept.outcome).toMatchObject({ kind: 'withheld', body: Buffer.from('secret') });
    expect(kept.response.written).toEqual([]);
  });

  it('says when the upstream gave no answer', async () => {
    const { response, controller, handler, outcome } = start();
    const error = new Error('connect ECONNREFUSED');
    handler.onResponseError(controller, error);
    expect(await outcome).toEqual({ kind: 'unreachable', error });
    expect(response.destroyed).toBe(false);
  });
});
