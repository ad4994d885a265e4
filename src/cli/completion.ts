import type { Argument, Command, Option } from 'commander';

/** Something that could stand at the cursor. */
export interface Candidate {
  value: string;
  description: string;
}

/** What can stand at the cursor: these words, or the names of files. */
export interface Completion {
  candidates: Candidate[];
  files: boolean;
}

const nothing: Completion = { candidates: [], files: false };

/**
 * What fits at the end of a command line, by the tree of commands itself.
 * @param words all after the program's name, up to the cursor; the last one is what is being typed, and may be empty
 */
export function complete(program: Command, words: string[]): Completion {
  // bash splits `--agent=claude` into three.
  const line = words.filter((word, at) => word !== '=' || at === words.length - 1);
  const typed = line.at(-1) === '=' ? '' : (line.at(-1) ?? '');
  const place = walk(program, line.slice(0, -1));
  const found = place.option === null ? atPlace(place, typed) : valuesOf(place.option, place.option.flags);
  const prefix = /^--[^=]+=/.exec(typed)?.[0];
  if (prefix !== undefined && place.option === null) return ofAssignment(place.command, prefix, typed);
  return { ...found, candidates: found.candidates.filter(({ value }) => value.startsWith(typed)) };
}

interface Place {
  command: Command;
  /** How many arguments stand before the cursor. */
  position: number;
  /** The option whose value is being typed. */
  option: Option | null;
  /** False behind `--`. */
  mayBeOption: boolean;
}

function walk(program: Command, words: string[]): Place {
  const place: Place = { command: program, position: 0, option: null, mayBeOption: true };
  for (const word of words) {
    if (place.option !== null) place.option = null;
    else if (word === '--') place.mayBeOption = false;
    else if (place.mayBeOption && word.startsWith('-')) place.option = valueOption(place.command, word);
    else step(place, word);
  }
  return place;
}

function step(place: Place, word: string): void {
  const isHelp = word === 'help' && place.command.commands.length > 0;
  const child = place.command.commands.find((each) => each.name() === word || each.aliases().includes(word));
  if (child !== undefined && place.position === 0) {
    place.command = child;
    place.position = 0;
  } else if (!isHelp) place.position++;
}

/** The option of this flag, if a value follows it. */
function valueOption(command: Command, word: string): Option | null {
  const option = command.options.find(({ long, short }) => long === word || short === word);
  return option !== undefined && (option.required || option.optional) ? option : null;
}

function atPlace({ command, position, mayBeOption }: Place, typed: string): Completion {
  if (mayBeOption && typed.startsWith('-')) return { candidates: flagsOf(command), files: false };
  const children = command.commands.length > 0 && position === 0 ? childrenOf(command) : [];
  if (children.length > 0) return { candidates: children, files: false };
  const given = command.registeredArguments;
  const argument = given[position] ?? given.filter(({ variadic }) => variadic).at(-1);
  return argument === undefined ? nothing : valuesOf(argument, argument.name());
}

function childrenOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((child) => ({ value: child.name(), description: child.description() }));
}

function flagsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', description }));
}

/** Its choices, or files where the name of it says so. */
function valuesOf(of: Argument | Option, name: string): Completion {
  const candidates = choicesOf(of);
  return { candidates, files: candidates.length === 0 && /file|path/.test(name) };
}

function choicesOf({ argChoices }: Argument | Option): Candidate[] {
  return (argChoices ?? []).map((value) => ({ value, description: '' }));
}

/** `--agent=c`: the shell replaces the whole word. */
function ofAssignment(command: Command, prefix: string, typed: string): Completion {
  const option = valueOption(command, prefix.slice(0, -1));
  if (option === null) return nothing;
  const candidates = choicesOf(option).map(({ value }) => ({ value: `${prefix}${value}`, description: '' }));
  return { candidates: candidates.filter(({ value }) => value.startsWith(typed)), files: false };
}
