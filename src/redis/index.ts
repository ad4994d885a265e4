export { disconnect } from './disconnect.js';
export { RedisServer } from './redis.js';
