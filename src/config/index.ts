export * from './agent-programs.js';
export * from './config.js';
