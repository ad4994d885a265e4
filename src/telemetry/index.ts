export { openTracer, type OpenTracer } from './open-tracer.js';
export { PrometheusMetrics } from './prometheus.js';
