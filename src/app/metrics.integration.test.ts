import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually } from '../../test/support/eventually.js';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { request } from '../../test/support/http.js';
import { metricCatalog } from '../kernel/index.js';

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Reads Prometheus' text format, strictly: a line that is no sample and no comment fails. */
function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (!match) throw new Error(`no sample: ${line}`);
      const labels = [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g)];
      return {
        name: match[1] ?? '',
        labels: Object.fromEntries(labels.map(([, name = '', value = '']) => [name, value])),
        value: Number(match[3]),
      };
    });
}

const typesOf = (text: string) =>
  Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]));

describe('GET /metrics', () => {
  let berth: TestApp;
  let acme: TestOrganization;
  let workspaceId: string;
  beforeAll(async () => {
    berth = await startTestApp({ worker: true });
    acme = await berth.founded('acme-secret-name');
    const { api } = acme.owner;
    await api.setCredential('user', 'anthropic_api_key', { apiKey: 'sk-ant-api03-metrics-canary-0001' });
    const made = await api.createWorkspace({
      repository: 'https://github.com/acme/private-repository',
      message: 'a prompt that nobody may see',
    });
    workspaceId = made.id;
    await eventually('the job is done', () => berth.runtime.callsOf('start').length > 0);
    await request(`${berth.url}/nothing/at/${workspaceId}`);
    await request(`${berth.url}/api/v1/organizations/acme-secret-name/workspaces/${workspaceId}`);
  });
  afterAll(() => berth.close());

  const read = async () => {
    const answer = await request<string>(`${berth.url}/metrics`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    return answer.body;
  };
  const valueOf = (samples: Sample[], name: string, labels: Record<string, string> = {}) =>
    samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
      .reduce((sum, { value }) => sum + value, 0);

  it('shows every metric of the catalog with its type, and Node’s own', async () => {
    const types = typesOf(await read());
    for (const [name, { type }] of Object.entries(metricCatalog))
      expect([name, types[name]]).toEqual([name, type]);
    expect(types).toMatchObject({
      nodejs_eventloop_lag_seconds: 'gauge',
      process_resident_memory_bytes: 'gauge',
    });
    const foreign = Object.keys(types).filter((name) => !(name in metricCatalog));
    expect(foreign.filter((name) => !/^(nodejs|process)_/.test(name))).toEqual([]);
  });

  it('is documented, name by name and no more', async () => {
    const page = await readFile(path.resolve('docs/observability.md'), 'utf8');
    const documented = [...page.matchAll(/^\| `(berth_\w+)`/gm)].map(([, name]) => name);
    expect(documented.sort()).toEqual(Object.keys(metricCatalog).sort());
  });

  it('counts what happened', async () => {
    const samples = samplesOf(await read());
    const route = '/api/v1/organizations/{org}/workspaces';
    const created = { method: 'POST', route, status: '202' };
    expect(valueOf(samples, 'berth_http_requests_total', created)).toBe(1);
    expect(valueOf(samples, 'berth_http_request_duration_seconds_count', { method: 'POST', route })).toBe(1);
    expect(valueOf(samples, 'berth_messages_accepted_total')).toBe(1);
    expect(valueOf(samples, 'berth_events_appended_total')).toBeGreaterThanOrEqual(2);
    expect(valueOf(samples, 'berth_workspaces', { state: 'provisioning' })).toBe(1);
    const done = { job: 'workspace.reconcile', outcome: 'done' };
    await eventually(
      'the job is counted',
      async () => valueOf(samplesOf(await read()), 'berth_job_duration_seconds_count', done) > 0,
    );
    expect(
      samples.some(({ name, labels }) => name === 'berth_queue_jobs' && labels.state === 'waiting'),
    ).toBe(true);
  });

  it('puts what has no route under one label, and ids under none', async () => {
    for (const name of ['a', 'b', 'c']) await request(`${berth.url}/${name}/${workspaceId}`);
    const samples = samplesOf(await read());
    expect(valueOf(samples, 'berth_http_requests_total', { route: 'unmatched', status: '404' })).toBe(4);
    const routes = new Set(samples.flatMap(({ labels }) => labels.route ?? []));
    for (const route of routes) expect(route).toMatch(/^(unmatched|\/[a-z0-9/{}._-]*)$/i);
    expect([...routes].filter((route) => /[0-9a-f]{8}-/.test(route))).toEqual([]);
  });

  it('names no tenant, workspace, person, repository, prompt or key', async () => {
    const text = await read();
    const { owner } = acme;
    const private_ = [acme.id, acme.slug, owner.userId, owner.email, owner.name, owner.apiKey, workspaceId];
    for (const word of [...private_, 'private-repository', 'nobody may see', 'metrics-canary']) {
      expect([word, text.includes(word)]).toEqual([word, false]);
    }
  });
});
