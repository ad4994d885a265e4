export * from './clock.js';
export * from './errors.js';
export * from './ids.js';
export * from './keyed-lock.js';
export * from './log.js';
export * from './log-token.js';
export * from './secret.js';
export * from './world.js';
