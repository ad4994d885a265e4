import type { LoggerService } from '@nestjs/common';
import { messageOf, type Log } from '../kernel/index.js';

/** Nest's own words, in our log: what it tells at start is of interest to us only when something is wrong. */
export class NestLog implements LoggerService {
  constructor(private readonly to: Log) {}

  log(message: unknown): void {
    this.to.debug({}, messageOf(message));
  }

  warn(message: unknown): void {
    this.to.warn({}, messageOf(message));
  }

  error(message: unknown): void {
    this.to.error({}, messageOf(message));
  }
}
