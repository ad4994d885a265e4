export * from './audit.js';
export * from './credentials.js';
export * from './identity.js';
export * from './instance.js';
export * from './invitations.js';
export * from './limits.js';
export * from './route.js';
export * from './workspaces.js';
