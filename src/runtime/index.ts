export { BoundedRuntime } from './bounded-runtime.js';
export * from './runtime.js';
export { LocalRuntime } from './local/local-runtime.js';
export type { LocalRuntimeOptions } from './local/options.js';
export { findProgram } from './local/programs.js';
export { probeSandbox, sandboxAdvice } from './local/sandbox-probe.js';
export type { SandboxProbe } from './local/sandbox-probe.js';
