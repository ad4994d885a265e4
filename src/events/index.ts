export * from './event.js';
export { eventsStore } from './events.store.js';
export { WorkspaceFeed } from './feed.js';
export { credentialOfTopic, credentialTopic, WORKSPACE_CHANNEL, type Notices } from './notices.js';
export { PostgresNotices } from './postgres-notices.js';
export { RedisNotices, tellThroughRedis } from './redis-notices.js';
export type { Watch } from './watch.js';
