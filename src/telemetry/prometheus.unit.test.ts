import { RecordingLog } from '../runtime/testing/recording-log.js';
import { PrometheusMetrics } from './prometheus.js';

describe('PrometheusMetrics', () => {
  it('keeps the numbers of two processes apart', async () => {
    const [one, other] = [
      new PrometheusMetrics(new RecordingLog()),
      new PrometheusMetrics(new RecordingLog()),
    ];
    one.count('berth_messages_accepted_total', {}, 3);
    expect(await one.text()).toContain('\nberth_messages_accepted_total 3\n');
    expect(await other.text()).toContain('\nberth_messages_accepted_total 0\n');
  });

  it('asks for a number once, however many want it at the same time or soon after', async () => {
    const metrics = new PrometheusMetrics(new RecordingLog());
    let asked = 0;
    metrics.watch('berth_workspaces', () => {
      asked += 1;
      return Promise.resolve([{ labels: { state: 'running' }, value: 7 }]);
    });
    const texts = await Promise.all([metrics.text(), metrics.text(), metrics.text()]);
    await metrics.text();
    for (const text of texts) expect(text).toContain('berth_workspaces{state="running"} 7');
    expect(asked).toBe(1);
  });

  it('leaves out what cannot be had, shows the rest, and says so in the log', async () => {
    const log = new RecordingLog();
    const metrics = new PrometheusMetrics(log);
    metrics.watch('berth_workspaces', () => Promise.reject(new Error('the database is away')));
    metrics.count('berth_messages_accepted_total', {});
    const text = await metrics.text();
    expect(text).not.toMatch(/^berth_workspaces/m);
    expect(text).toContain('\nberth_messages_accepted_total 1\n');
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { metric: 'berth_workspaces' } }]);
  });

  it('does not wait for a number that does not come', async () => {
    const metrics = new PrometheusMetrics(new RecordingLog());
    metrics.watch('berth_workspaces', () => new Promise(() => undefined));
    const begun = performance.now();
    expect(await metrics.text()).toContain('berth_messages_accepted_total');
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
