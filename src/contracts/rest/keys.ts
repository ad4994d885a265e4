import { z } from 'zod';
import { route, timeSchema } from './route.js';

export const keysViewSchema = z.object({
  /** The key that the Berth which answered seals with: the first of its ring. */
  sealingKey: z.string(),
  keys: z.array(
    z.object({
      id: z.string(),
      inRing: z.boolean(),
      createdAt: timeSchema.nullable(),
      retiredAt: timeSchema.nullable(),
      /** Rows under it, by what they are. */
      rows: z.record(z.string(), z.int()),
    }),
  ),
  rotation: z
    .object({
      target: z.string(),
      state: z.enum(['running', 'finished', 'superseded']),
      startedAt: timeSchema,
      finishedAt: timeSchema.nullable(),
    })
    .nullable(),
  /** What to do next, in words. */
  advice: z.array(z.string()),
});
export type KeysView = z.infer<typeof keysViewSchema>;

export const showKeysRoute = route({
  method: 'GET',
  path: '/api/v1/instance/keys',
  access: 'instance-administrator',
  summary: 'The encryption keys: what is sealed with which, how far a rotation is, and what to do next',
  answer: { status: 200, body: keysViewSchema },
});

/** Goes on in the background, and through restarts. Asking again while it runs changes nothing. */
export const rotateKeysRoute = route({
  method: 'POST',
  path: '/api/v1/instance/keys/rotate',
  access: 'instance-administrator',
  summary: 'Seal everything anew with the first key of the ring, online',
  answer: { status: 202, body: keysViewSchema },
});
