export { IntegrationsApiModule, IntegrationsModule } from './integrations.module.js';
export { WebhookSecrets } from './webhooks/webhook-secrets.js';
