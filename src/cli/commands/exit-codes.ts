import { Command } from 'commander';
import type { CliContext } from '../context.js';
import { exitCodesText } from '../exit-codes.js';

/** `berth exit-codes`, and `berth help exit-codes` by commander's own help. */
export class ExitCodesCommand extends Command {
  constructor(context: CliContext) {
    super('exit-codes');
    this.description('what the exit codes mean');
    this.action(() => context.out(exitCodesText()));
  }

  override helpInformation(): string {
    return exitCodesText();
  }
}
