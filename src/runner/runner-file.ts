import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { RunnerFile } from '../contracts/runner.js';
import { BerthError, type FieldError } from '../kernel/errors.js';

/** Checks of one file, by hand: zod costs 13 MB of resident memory in every runner (measured). The type keeps it equal to `runnerFileSchema`. */
class Reader {
  readonly errors: FieldError[] = [];

  constructor(
    private readonly value: Record<string, unknown>,
    private readonly prefix = '',
  ) {}

  text(name: string): string {
    const value = this.value[name];
    if (typeof value === 'string' && value !== '') return value;
    return this.#wrong(name, 'must be a text', '');
  }

  path(name: string): string {
    const value = this.text(name);
    return isAbsolute(value) ? value : this.#wrong(name, 'must be an absolute path', '');
  }

  optionalPath(name: string): string | null {
    return this.value[name] === null ? null : this.path(name);
  }

  url(name: string): string {
    const value = this.text(name);
    return URL.canParse(value) ? value : this.#wrong(name, 'must be a URL', '');
  }

  seconds(name: string): number {
    const value = this.value[name];
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
    return this.#wrong(name, 'must be a number of seconds above zero', 1);
  }

  oneOf<T extends string>(name: string, allowed: readonly [T, ...T[]]): T {
    const value = this.value[name];
    const found = allowed.find((each) => each === value);
    return found ?? this.#wrong(name, `must be one of ${allowed.join(', ')}`, allowed[0]);
  }

  /** The named object, read by a reader that shares this one's list of errors. */
  group<T>(name: string, read: (reader: Reader) => T): T {
    const value = this.value[name];
    if (typeof value !== 'object' || value === null) this.#wrong(name, 'must be an object', null);
    const reader = new Reader((value ?? {}) as Record<string, unknown>, `${this.prefix}${name}.`);
    const result = read(reader);
    this.errors.push(...reader.errors);
    return result;
  }

  #wrong<T>(name: string, message: string, fallback: T): T {
    this.errors.push({ path: `${this.prefix}${name}`, message });
    return fallback;
  }
}

/** Reads and checks the runner's file. Throws BerthError `config-invalid` with every field that is wrong, and never their values: the file holds a token. */
export function parseRunnerFile(text: string): RunnerFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No cause: the parser's message quotes the text, which holds a token.
    throw new BerthError(
      'config-invalid',
      "The runner's file is not JSON. Start the workspace again to have it written anew.",
    );
  }
  const reader = new Reader(
    (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>,
  );
  const file: RunnerFile = {
    internalUrl: reader.url('internalUrl'),
    runnerToken: reader.text('runnerToken'),
    workspaceId: reader.text('workspaceId'),
    directories: reader.group('directories', (r) => ({
      tree: r.path('tree'),
      home: r.path('home'),
      scratch: r.path('scratch'),
    })),
    socketDirectory: reader.path('socketDirectory'),
    placeholder: reader.text('placeholder'),
    sandbox: reader.group('sandbox', (r) => ({
      mode: r.oneOf('mode', ['bubblewrap', 'off'] as const),
      bwrap: r.text('bwrap'),
    })),
    agents: reader.group('agents', (r) => ({
      claude: r.optionalPath('claude'),
      codex: r.optionalPath('codex'),
    })),
    git: reader.text('git'),
    orphanSeconds: reader.seconds('orphanSeconds'),
    turnTimeoutSeconds: reader.seconds('turnTimeoutSeconds'),
    path: reader.text('path'),
  };
  if (reader.errors.length > 0) {
    const names = reader.errors.map((error) => error.path).join(', ');
    throw new BerthError('config-invalid', `The runner's file is wrong in: ${names}.`, {
      errors: reader.errors,
    });
  }
  return file;
}

/** Reads the file at `path`. Throws as `parseRunnerFile`, and when it cannot be read. */
export function readRunnerFile(path: string): RunnerFile {
  return parseRunnerFile(readFileSync(path, 'utf8'));
}
