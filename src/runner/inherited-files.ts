import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** The first descriptor after standard input, output and error. */
const FIRST = 3;
/** O_CLOEXEC in the octal `flags` of `/proc/<pid>/fdinfo/<number>` (proc(5)). */
const CLOSE_ON_EXEC = 0o2000000;

function isInherited(number: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${number}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // The descriptor by which the folder was listed is closed by now.
    return false;
  }
}

/**
 * Closes every file that this process was started with besides the standard three. Whoever started Berth may have left some open (a shell's redirection, a service
 * manager's socket), and each program starts with what its parent holds, down to the agent. Node marks its own files as not to be inherited, so that the others can be
 * told apart. Call it before anything else.
 */
export function closeInheritedFiles(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const number = Number(name);
    if (number >= FIRST && isInherited(number)) closeSync(number);
  }
}
