export * from './federation.js';
export * from './schedule.js';
export * from './token-endpoint.js';
export * from './words.js';
