export { AuditModule } from './audit.module.js';
export { Audit } from './audit.service.js';
export { ANONYMOUS, systemActor, type NewEntry } from './entry.js';
