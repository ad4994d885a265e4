import type { MayBeLent } from '../booking.js';

/** Terms on which all may be lent what they ask for. */
export const toAll: MayBeLent = (_tenant, all) => Promise.resolve(new Map(all.map((asked) => [asked, {}])));
