export * from './bind-route.js';
export { fieldErrors } from './field-errors.js';
export { escapeHtml, htmlPage } from './html-page.js';
export * from './input.js';
export { objectionTo, type Objection } from './json-bytes.js';
export * from './page.js';
export { PublicUrl } from './public-url.js';
export { whenGone } from './when-gone.js';
