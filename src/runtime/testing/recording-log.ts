import type { Log } from '../../kernel/index.js';

/** One line as it was logged. */
export interface LogLine {
  level: keyof Log;
  fields: object;
  message: string;
}

/** A log that keeps its lines, for tests about what is said and what must never be. */
export class RecordingLog implements Log {
  readonly lines: LogLine[] = [];
  debug = this.recorder('debug');
  info = this.recorder('info');
  warn = this.recorder('warn');
  error = this.recorder('error');

  /** The messages of one level. */
  messages(level: keyof Log): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }

  private recorder(level: keyof Log): (fields: object, message: string) => void {
    return (fields, message) => this.lines.push({ level, fields, message });
  }
}
