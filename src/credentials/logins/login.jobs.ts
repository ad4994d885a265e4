import { Injectable } from '@nestjs/common';
import { JobHandlers } from '../../queue/index.js';
import { LoginPolling } from './login-polling.js';

/** Logins' part in processes that work. */
@Injectable()
export class LoginJobs {
  constructor(polling: LoginPolling, handlers: JobHandlers) {
    handlers.add('login.attend', (attempt, signal) => polling.attend(attempt, signal));
  }
}
