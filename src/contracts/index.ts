export * from './agents.js';
export * from './heartbeat.js';
export * from './doctor.js';
export * from './machine-routes.js';
export * from './proxy.js';
export * from './rest/index.js';
export * from './runner.js';
export * from './text.js';
