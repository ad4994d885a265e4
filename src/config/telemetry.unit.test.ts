import { BerthError } from '../kernel/index.js';
import { parseConfig } from './config.js';

const traceExport = (environment: Record<string, string>) => parseConfig(environment).traceExport;
const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };

describe('the OTEL_ variables', () => {
  it.each<Record<string, string>>([
    {},
    { OTEL_SERVICE_NAME: 'mine' },
    { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' },
    { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' },
  ])('export nothing with %j', (environment) => {
    expect(traceExport(environment)).toBeNull();
  });

  it('take the usual defaults', () => {
    expect(traceExport(ENDPOINT)).toEqual({
      url: 'http://collector:4318/v1/traces',
      headers: {},
      serviceName: 'berth',
      resource: {},
      sampler: 'parentbased_always_on',
      ratio: 1,
    });
  });

  it('prefer what is said for traces alone, and decode values', () => {
    expect(
      traceExport({
        ...ENDPOINT,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example/otlp?x=1',
        OTEL_EXPORTER_OTLP_HEADERS: 'api-key=general, x-team = platform',
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'api-key=Bearer%20abc%3D',
        OTEL_RESOURCE_ATTRIBUTES: 'service.name=ignored,deployment.environment.name=test',
        OTEL_SERVICE_NAME: 'berth-eu',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
      }),
    ).toEqual({
      url: 'https://traces.example/otlp?x=1',
      headers: { 'api-key': 'Bearer abc=', 'x-team': 'platform' },
      serviceName: 'berth-eu',
      resource: { 'deployment.environment.name': 'test' },
      sampler: 'parentbased_traceidratio',
      ratio: 0.25,
    });
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'secret-host:4318'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'secret'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%zz-secret'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc-secret'],
    ['OTEL_TRACES_SAMPLER', 'sometimes-secret'],
    ['OTEL_TRACES_SAMPLER_ARG', '2-secret'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'secret'],
  ])('refuse a wrong %s by name, without repeating it', (name, value) => {
    const refused = (): unknown => traceExport({ ...ENDPOINT, [name]: value });
    expect(refused).toThrow(BerthError);
    expect(refused).toThrow(name);
    expect(refused).not.toThrow(/secret/);
  });
});
