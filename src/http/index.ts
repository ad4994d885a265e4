export * from './bind-route.js';
export * from './input.js';
export * from './page.js';
export { whenGone } from './when-gone.js';
