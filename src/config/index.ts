export * from './agent-programs.js';
export * from './config.js';
export * from './diagnosis.js';
