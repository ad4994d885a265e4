export { AccountSystems, type AccountSystem } from './accounts/account-systems.js';
export { Accounts } from './accounts/accounts.service.js';
export { ConnectionAttempts, type Begun, type Claimed } from './accounts/connection-attempts.js';
export { IntegrationsApiModule, IntegrationsModule } from './integrations.module.js';
export { WebhookSecrets } from './webhooks/webhook-secrets.js';
