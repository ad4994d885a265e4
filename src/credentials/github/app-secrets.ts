import { z } from 'zod';

/** What is sealed of the App that was made here. */
export const appSecretsSchema = z.object({
  clientSecret: z.string(),
  webhookSecret: z.string().nullable(),
  privateKey: z.string(),
  /** Those that signed deliveries before, and until when one of them still may. */
  formerWebhookSecrets: z.array(z.object({ secret: z.string(), until: z.coerce.date() })).default([]),
});
export type AppSecrets = z.output<typeof appSecretsSchema>;

/** What takes the place of what; what is not named stays. */
export interface NewAppSecrets {
  clientSecret?: string | undefined;
  webhookSecret?: string | undefined;
  privateKey?: string | undefined;
}

/** So many are kept: more changes within one overlap are mistakes that are mended, and the first of them is what GitHub still signs with. */
const MOST_FORMER = 3;

/** All of them after a change. The webhook secret that goes is good until `formerUntil`; null: none before it is good any more, since somebody else may know it. */
export function withNewSecrets(
  before: AppSecrets,
  { webhookSecret, clientSecret, privateKey }: NewAppSecrets,
  { now, formerUntil }: { now: Date; formerUntil: Date | null },
): AppSecrets {
  const after = {
    clientSecret: clientSecret ?? before.clientSecret,
    webhookSecret: webhookSecret ?? before.webhookSecret,
    privateKey: privateKey ?? before.privateKey,
  };
  const kept = formersIn(before, now);
  if (webhookSecret === undefined) return { ...after, formerWebhookSecrets: kept };
  if (formerUntil === null) return { ...after, formerWebhookSecrets: [] };
  const gone = before.webhookSecret === null ? [] : [{ secret: before.webhookSecret, until: formerUntil }];
  const formers = [...gone, ...kept].filter(({ secret }) => secret !== webhookSecret);
  // The oldest of more is what GitHub was set up with: it stays, and what was tried in between goes.
  const formerWebhookSecrets =
    formers.length <= MOST_FORMER ? formers : [...formers.slice(0, MOST_FORMER - 1), ...formers.slice(-1)];
  return { ...after, formerWebhookSecrets };
}

/** With what a delivery may be signed now, the newest first. */
export function webhookSecretsIn(secrets: AppSecrets, now: Date): string[] {
  const current = secrets.webhookSecret === null ? [] : [secrets.webhookSecret];
  return [...current, ...formersIn(secrets, now).map(({ secret }) => secret)];
}

/** Until when one that was replaced is still good; null: none is. */
export function formersUntil(secrets: AppSecrets, now: Date): Date | null {
  const untils = formersIn(secrets, now).map(({ until }) => until.getTime());
  return untils.length === 0 ? null : new Date(Math.max(...untils));
}

function formersIn({ formerWebhookSecrets }: AppSecrets, now: Date): AppSecrets['formerWebhookSecrets'] {
  return formerWebhookSecrets.filter(({ until }) => until > now);
}
