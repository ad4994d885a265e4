import type { CheckStatus, DoctorLine } from '../../contracts/index.js';
import { messageOf } from '../../kernel/index.js';

/** What one check found. */
export interface Finding {
  status: CheckStatus;
  message: string;
  /** What to do about it. */
  mend: string | null;
}

export const ok = (message: string): Finding => ({ status: 'ok', message, mend: null });
export const warn = (message: string, mend: string): Finding => ({ status: 'warn', message, mend });
/** `mend` is null where the message, one of ours, says it already. */
export const fail = (message: string, mend: string | null): Finding => ({ status: 'fail', message, mend });
export const skipped = (message: string): Finding => ({ status: 'skipped', message, mend: null });

/** Tells what is being looked at and what was found, as it happens. */
export class Report {
  constructor(private readonly tell: (line: DoctorLine) => void) {}

  /** One check. Whatever it throws is a finding too: our errors say what to do by themselves. */
  async check(id: string, title: string, look: () => Finding | Promise<Finding>): Promise<Finding> {
    this.tell({ type: 'checking', title });
    let finding: Finding;
    try {
      finding = await look();
    } catch (error) {
      finding = fail(messageOf(error), null);
    }
    this.tell({ type: 'result', result: { id, title, ...finding } });
    return finding;
  }
}
