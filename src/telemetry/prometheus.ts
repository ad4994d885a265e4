import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { messageOf, metricCatalog, type Log, type MetricName, type Metrics } from '../kernel/index.js';

/** Prometheus asks every 15 s or so; several of them, and impatient people, cost the database no more than this. */
const READING_KEPT_MS = 5000;
/** Longer than that nobody waits for a number: what scrapes gives up after 10 s, and would get none of the others. */
const READING_LIMIT_MS = 2000;

type Instrument = Counter | Gauge | Histogram;

/** The metrics of one process, in a registry of their own (tests have several Berths in one process), and as the text that Prometheus reads. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #instruments = new Map<MetricName, Instrument>();

  /** `names`: those of the catalog that this process has. All but few processes have all. */
  constructor(
    private readonly log: Log,
    names: readonly MetricName[] = Object.keys(metricCatalog) as MetricName[],
  ) {
    for (const name of names) this.#instruments.set(name, this.#make(name));
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  count: Metrics['count'] = (name, labels, by = 1) => {
    (this.#instruments.get(name) as Counter).inc(labels, by);
  };

  observe: Metrics['observe'] = (name, labels, seconds) => {
    (this.#instruments.get(name) as Histogram).observe(labels, seconds);
  };

  add: Metrics['add'] = (name, labels, by) => {
    (this.#instruments.get(name) as Gauge).inc(labels, by);
  };

  watch: Metrics['watch'] = (name, read) => {
    const gauge = this.#instruments.get(name) as Gauge;
    const show = (readings: { labels: Record<string, string>; value: number }[]): void => {
      // What is not there any more must not stay as it was.
      gauge.reset();
      for (const { labels, value } of readings) gauge.set(labels, value);
    };
    // The library calls `collect` on the instrument before it reads it.
    (gauge as Gauge & { collect: () => Promise<void> }).collect = kept(async () => {
      try {
        show(await inTime(read()));
      } catch (error) {
        this.log.warn({ metric: name, reason: messageOf(error) }, 'a metric could not be read');
        show([]);
      }
    });
  };

  #make(name: MetricName): Instrument {
    const { type, help, labels, ...more } = metricCatalog[name];
    const common = { name, help, labelNames: [...labels], registers: [this.#registry] };
    if (type === 'counter') return new Counter(common);
    if (type === 'gauge') return new Gauge(common);
    return new Histogram({ ...common, ...('buckets' in more ? { buckets: [...more.buckets] } : {}) });
  }
}

/** Does `work` once for all who ask at the same time or soon after. */
function kept(work: () => Promise<void>): () => Promise<void> {
  let flight: Promise<void> | null = null;
  let doneAt = -Infinity;
  return () => {
    if (flight) return flight;
    if (performance.now() - doneAt < READING_KEPT_MS) return Promise.resolve();
    flight = work().finally(() => {
      doneAt = performance.now();
      flight = null;
    });
    return flight;
  };
}

async function inTime<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), READING_LIMIT_MS);
  });
  try {
    return await Promise.race([reading, limit]);
  } finally {
    clearTimeout(timer);
  }
}
