import { Global, Module } from '@nestjs/common';
import { Audit } from './audit.service.js';

/** Global: every room that changes something books it. */
@Global()
@Module({ providers: [Audit], exports: [Audit] })
export class AuditModule {}
