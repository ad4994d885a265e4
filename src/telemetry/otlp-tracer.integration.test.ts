import { startCollectorEmulator, type CollectorEmulator } from '../../test/emulators/collector.js';
import { eventually } from '../../test/support/eventually.js';
import {
  BerthError,
  currentCause,
  forCause,
  inSpan,
  parseTraceParent,
  type TraceExport,
} from '../kernel/index.js';
import { RecordingLog } from '../runtime/testing/recording-log.js';
import { openTracer, type OpenTracer } from './open-tracer.js';

const KEY = 'collector-key-canary-0123456789';

describe('spans over OTLP', () => {
  let collector: CollectorEmulator;
  const log = new RecordingLog();
  const open: OpenTracer[] = [];
  beforeAll(async () => {
    collector = await startCollectorEmulator({ header: { name: 'x-api-key', value: KEY } });
  });
  beforeEach(() => collector.reset());
  afterAll(async () => {
    await Promise.all(open.map(({ close }) => close()));
    await collector.close();
  });

  async function tracerFor(program: 'berth' | 'runner' | 'proxy', more: Partial<TraceExport> = {}) {
    const settings: TraceExport = {
      url: `${collector.url}/v1/traces`,
      headers: { 'x-api-key': KEY },
      serviceName: 'berth',
      resource: { 'deployment.environment.name': 'test' },
      sampler: 'parentbased_always_on',
      ratio: 1,
      ...more,
    };
    const opened = await openTracer(settings, program, log);
    open.push(opened);
    return opened.tracer;
  }
  const span = async (name: string) => {
    await eventually(`the span ${name}`, () => collector.spans.some((each) => each.name === name));
    return collector.spans.find((each) => each.name === name);
  };

  it('makes nothing and loads nothing without an address, and passes on what came', async () => {
    const { tracer, close } = await openTracer(null, 'berth', log);
    const traceParent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await forCause({ requestId: null, traceParent }, () =>
      inSpan(tracer, 'work', {}, () => {
        expect(currentCause().traceParent).toBe(traceParent);
        return Promise.resolve();
      }),
    );
    await close();
  });

  it('puts what runs inside a span below it, in this process and in another', async () => {
    const [here, there] = [await tracerFor('berth'), await tracerFor('runner')];
    let handed: string | null = null;
    await forCause({ requestId: 'r', traceParent: null }, () =>
      inSpan(here, 'outer', { kind: 'server' }, () =>
        inSpan(here, 'inner', { attributes: { count: 3, ok: true, name: 'x' } }, (inner) => {
          expect(currentCause().requestId).toBe('r');
          handed = inner.traceParent;
          return Promise.resolve();
        }),
      ),
    );
    there.begin('far', { parent: handed, spanId: '8ccc0123456789ab' }).end();
    const [outer, inner, far] = [await span('outer'), await span('inner'), await span('far')];
    expect(outer).toMatchObject({ parentSpanId: null, kind: 'server', service: 'berth' });
    expect(inner).toMatchObject({
      parentSpanId: outer?.spanId,
      traceId: outer?.traceId,
      attributes: { count: 3, ok: true, name: 'x' },
    });
    expect(far).toMatchObject({
      parentSpanId: inner?.spanId,
      traceId: outer?.traceId,
      spanId: '8ccc0123456789ab',
      service: 'berth-runner',
    });
  });

  it('says of a failure its code, and nothing of its message', async () => {
    const tracer = await tracerFor('berth');
    const failing = inSpan(tracer, 'failing', {}, () =>
      Promise.reject(new BerthError('runtime-failed', 'the message with a secret')),
    );
    await expect(failing).rejects.toThrow('secret');
    expect(await span('failing')).toMatchObject({
      failed: true,
      attributes: { 'error.type': 'runtime-failed' },
    });
    expect(collector.bodies.join()).not.toContain('secret');
  });

  it('follows the caller’s word on sampling, and its own for traces that begin here', async () => {
    const tracer = await tracerFor('berth', { sampler: 'parentbased_always_off' });
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const unsampled = tracer.begin('root', { parent: null });
    unsampled.end();
    expect(parseTraceParent(unsampled.traceParent)?.sampled).toBe(false);
    tracer.begin('not asked for', { parent: `00-${trace}-00f067aa0ba902b7-00` }).end();
    tracer.begin('asked for', { parent: `00-${trace}-00f067aa0ba902b7-01` }).end();
    expect(await span('asked for')).toMatchObject({ traceId: trace });
    expect(collector.spans.map(({ name }) => name)).toEqual(['asked for']);
  });

  it('says once that the collector refuses, without the key or the address, and once that it is well again', async () => {
    const tracer = await tracerFor('berth');
    collector.answerWith(400);
    const said = (text: string) => log.lines.filter(({ message }) => message === text).length;
    const before = said('traces cannot be exported');
    for (let times = 0; times < 3; times++) {
      tracer.begin(`lost ${times}`, { parent: null }).end();
      await eventually('it is said', () => said('traces cannot be exported') === before + 1);
    }
    collector.answerWith(200);
    tracer.begin('found', { parent: null }).end();
    await span('found');
    await eventually('that is said too', () => said('traces are exported again') === 1);
    const text = JSON.stringify(log.lines);
    expect(text).not.toContain(KEY);
    expect(text).not.toContain(collector.url);
  });
});
