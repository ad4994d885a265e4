import { Argument, Command } from 'commander';
import { complete } from '../completion.js';
import { completionScripts, shells, type Shell } from '../completion-scripts.js';
import type { CliContext } from '../context.js';
import { withExamples } from '../help.js';

/** `berth completion` */
export function completionCommand(context: CliContext): Command {
  const command = new Command('completion')
    .description('print what a shell needs to complete berth commands')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .action((shell: Shell) => context.out(completionScripts[shell]));
  command.addHelpText(
    'after',
    '\nThe shell then asks "berth" on PATH: "npm link" in Berth\'s folder puts it there.',
  );
  return withExamples(
    command,
    'echo \'eval "$(berth completion bash)"\' >> ~/.bashrc',
    "echo 'source <(berth completion zsh)' >> ~/.zshrc",
    'berth completion fish > ~/.config/fish/completions/berth.fish',
  );
}

/** `berth complete -- <words>`: asked by the shells, for no person to see. */
export function completeCommand(context: CliContext, program: Command): Command {
  return new Command('complete')
    .description('answer a shell that completes a command line')
    .argument('[words...]')
    .action((words: string[]) => {
      const { candidates, files } = complete(program, words);
      for (const { value, description } of candidates) context.out(`${value}\t${description}\n`);
      if (files) context.out(':files\n');
    });
}
