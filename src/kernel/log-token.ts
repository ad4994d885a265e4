/** Injection tokens of the process's Log, Metrics and Tracer. */
export const LOG = Symbol('log');
export const METRICS = Symbol('metrics');
export const TRACER = Symbol('tracer');
