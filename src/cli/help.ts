import type { Command } from 'commander';

/** Adds lines to copy to a command's help. `berth` stands before each. */
export function withExamples(command: Command, ...examples: string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}\n`).join('')}`);
}
