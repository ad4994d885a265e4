import { z } from 'zod';

/** `ok`: fine. `warn`: worth a look. `fail`: must be mended. `skipped`: could not be looked at, because of another finding or by configuration. */
export const checkStatusSchema = z.enum(['ok', 'warn', 'fail', 'skipped']);
export type CheckStatus = z.infer<typeof checkStatusSchema>;

/** What one check of `berth doctor` found. `mend` says what to do about it; null when there is nothing to do. */
export const checkResultSchema = z.object({
  id: z.string(),
  title: z.string(),
  status: checkStatusSchema,
  message: z.string(),
  mend: z.string().nullable(),
});
export type CheckResult = z.infer<typeof checkResultSchema>;

/** What `node dist/main.js doctor` prints: one line of JSON as a check begins, and one as it ends. */
export const doctorLineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('checking'), title: z.string() }),
  z.object({ type: z.literal('result'), result: checkResultSchema }),
]);
export type DoctorLine = z.infer<typeof doctorLineSchema>;
