export * from './event.js';
export { eventsStore } from './events.store.js';
export { WorkspaceFeed } from './feed.js';
