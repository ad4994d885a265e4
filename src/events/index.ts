export * from './event.js';
export { eventsStore } from './events.store.js';
export { WorkspaceFeed } from './feed.js';
export {
  credentialOfTopic,
  credentialTopic,
  followedOfTopic,
  WORKSPACE_CHANNEL,
  type Followed,
  type Notices,
} from './notices.js';
export { PostgresNotices } from './postgres-notices.js';
export { RedisNotices, tellThroughRedis } from './redis-notices.js';
export type { Watch } from './watch.js';
