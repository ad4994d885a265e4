import { Module } from '@nestjs/common';
import { Replies } from './replies/replies.service.js';

/** In every process: whoever tells a fact may have something said about it. */
@Module({
  providers: [Replies],
  exports: [Replies],
})
export class TriggersModule {}
