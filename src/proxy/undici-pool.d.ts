/** undici ships no types for its inner files; this one is the `Pool` that its front door exports. See pools.ts for why. */
declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici';
}
