import { z } from 'zod';
import type { Cause } from '../kernel/index.js';

/**
 * What made a machine do what it does (kernel/cause.ts): it stands in the runner's and the proxy's log lines, and their spans go below it. Absent when an older Berth
 * answers.
 */
export const causeSchema = z.object({
  requestId: z.string().max(100).nullable(),
  traceParent: z.string().max(100).nullable(),
}) satisfies z.ZodType<Cause>;
