import { Injectable } from '@nestjs/common';
import { JobHandlers } from '../queue/index.js';
import { KeyRotation } from './key-rotation.service.js';

/** Rotation's part in processes that work. */
@Injectable()
export class KeyRotationJobs {
  constructor(rotation: KeyRotation, handlers: JobHandlers) {
    handlers.add('keys.reseal', (_, signal) => rotation.work(signal));
  }
}
