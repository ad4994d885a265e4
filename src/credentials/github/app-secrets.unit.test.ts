import {
  appSecretsSchema,
  formersUntil,
  webhookSecretsIn,
  withNewSecrets,
  type AppSecrets,
} from './app-secrets.js';

const at = (minutes: number): Date => new Date(minutes * 60_000);
const FIRST = { clientSecret: 'client', webhookSecret: 'one', privateKey: 'key', formerWebhookSecrets: [] };
/** Replaced at that minute, the one before good for an hour more. */
const replaced = (before: AppSecrets, webhookSecret: string, minute: number): AppSecrets =>
  withNewSecrets(before, { webhookSecret }, { now: at(minute), formerUntil: at(minute + 60) });

describe('secrets of the App', () => {
  it('change one by one', () => {
    const change = { now: at(0), formerUntil: at(60) };
    expect(withNewSecrets(FIRST, { clientSecret: 'new' }, change)).toEqual({ ...FIRST, clientSecret: 'new' });
    expect(withNewSecrets(FIRST, { privateKey: 'new' }, change)).toEqual({ ...FIRST, privateKey: 'new' });
  });

  it('are read as they were stored before there were former ones', () => {
    const { formerWebhookSecrets: _, ...stored } = FIRST;
    expect(appSecretsSchema.parse(stored)).toEqual(FIRST);
  });

  it('let the webhook secret that was replaced sign for a while', () => {
    const after = replaced(FIRST, 'two', 0);
    expect([webhookSecretsIn(after, at(59)), formersUntil(after, at(59))]).toEqual([['two', 'one'], at(60)]);
    expect([webhookSecretsIn(after, at(60)), formersUntil(after, at(60))]).toEqual([['two'], null]);
    expect(appSecretsSchema.parse(JSON.parse(JSON.stringify(after)))).toEqual(after);
  });

  it('keep what GitHub still signs with through mistakes, and no more of these than needed', () => {
    let secrets: AppSecrets = FIRST;
    for (const [minute, name] of ['two', 'three', 'four', 'five'].entries())
      secrets = replaced(secrets, name, minute);
    expect(webhookSecretsIn(secrets, at(10))).toEqual(['five', 'four', 'three', 'one']);
    expect(webhookSecretsIn(replaced(secrets, 'one', 10), at(11))).toEqual(['one', 'five', 'four', 'three']);
  });

  it('end every former one at once where somebody else may know it', () => {
    const leaked = withNewSecrets(
      replaced(FIRST, 'two', 0),
      { webhookSecret: 'three' },
      { now: at(1), formerUntil: null },
    );
    expect(webhookSecretsIn(leaked, at(1))).toEqual(['three']);
  });

  it('begin to sign where nothing was signed', () => {
    expect(webhookSecretsIn(replaced({ ...FIRST, webhookSecret: null }, 'two', 0), at(1))).toEqual(['two']);
  });
});
