import { Module } from '@nestjs/common';
import { CredentialsModule } from '../../credentials/index.js';
import { TriggersModule } from '../../triggers/index.js';
import { GithubRecovery } from './recovery.js';

/** How GitHub is asked for what was missed. */
@Module({ imports: [CredentialsModule, TriggersModule], providers: [GithubRecovery] })
export class GithubRecoveryModule {}
