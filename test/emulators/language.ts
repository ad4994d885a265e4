/**
 * The little language of the emulated models: what a person writes, and what the model does about it. Pure and the same for both
 * providers; how a tool is called is theirs.
 */

/** What came back from one tool call. */
export interface ToolResult {
  tool: string;
  text: string;
  failed: boolean;
}

/** One message of a person and the tool results that followed it. */
export interface Turn {
  asked: string;
  results: ToolResult[];
}

/** What the model does next. `count` says `pieces` numbered pieces, one at each release. */
export type Action =
  | { do: 'say'; text: string }
  | { do: 'write'; path: string; content: string }
  | { do: 'shell'; command: string }
  | { do: 'count'; pieces: number };

type Command =
  | { verb: 'create'; path: string; content: string }
  | { verb: 'run'; command: string }
  | { verb: 'remember'; what: string }
  | { verb: 'slow'; pieces: number };

const ECHO_LIMIT = 2000;
const MAX_PIECES = 1000;

/** The next step of a conversation whose last turn is open. */
export function decide(turns: readonly Turn[], canUseTools: boolean): Action {
  const turn = openTurn(turns);
  if (/what did i ask you to remember/i.test(turn.asked)) return { do: 'say', text: recall(turns) };
  const command = commandOf(turn.asked);
  if (!command) return { do: 'say', text: `You said: ${turn.asked.slice(0, ECHO_LIMIT)}` };
  switch (command.verb) {
    case 'create':
      return create(command, turn.results, canUseTools);
    case 'run':
      return run(command.command, turn.results, canUseTools);
    case 'remember':
      return { do: 'say', text: `I will remember ${command.what}.` };
    case 'slow':
      return { do: 'count', pieces: command.pieces };
  }
}

/** A short title for a request about a conversation, such as the CLI's session title. */
export function titleOf(text: string): string {
  const words = text.replace(/<[^>]*>/g, ' ').split(/\s+/);
  return words.filter(Boolean).slice(0, 6).join(' ') || 'New session';
}

/** The title as the JSON object that a schema asks for: each property of it, or `title` when it names none. */
export function titleObject(schema: Record<string, unknown>, text: string): string {
  const { properties } = schema;
  const names = typeof properties === 'object' && properties !== null ? Object.keys(properties) : ['title'];
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, titleOf(text)])));
}

/** The pieces of a slow answer. */
export function numberedPieces(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `piece ${index + 1} of ${count}\n`);
}

/** A shell command that writes a file, for models that were offered only a shell. */
export function writeCommand(path: string, content: string): string {
  return `mkdir -p -- "$(dirname -- ${quote(path)})" && printf '%s' ${quote(content)} > ${quote(path)}`;
}

/** "continue" goes on with the message before it, and with the tool results that it already had: nothing is done twice. */
function openTurn(turns: readonly Turn[]): Turn {
  let results: ToolResult[] = [];
  for (const turn of [...turns].reverse()) {
    results = [...turn.results, ...results];
    if (!/^continue\b/i.test(turn.asked)) return { asked: turn.asked, results };
  }
  return { asked: turns.at(-1)?.asked ?? '', results };
}

/** The last line that is a command: text around it (a mention, an issue's description) does not matter. */
function commandOf(text: string): Command | null {
  const commands = text.split('\n').map((line) => lineCommand(line.trim().replace(/^(@\S+\s+)+/, '')));
  return commands.findLast((command) => command !== null) ?? null;
}

function lineCommand(line: string): Command | null {
  const create =
    /^(?:please )?create (?:(?:a|the) )?(?:new )?(?:file )?(?:called |named )?([\w./-]+)(?: with (.+))?/i.exec(
      line,
    );
  const path = create?.[1]?.replace(/\.+$/, '') ?? '';
  // "create a pull request" is no file.
  if (create && /[./]/.test(path)) {
    return { verb: 'create', path, content: `${create[2] ?? `Hello from ${path}`}\n` };
  }
  const run = /^run (.+)$/i.exec(line)?.[1];
  if (run) return { verb: 'run', command: run };
  const remember = /^(?:please )?remember (\S.*?)\.?$/i.exec(line)?.[1];
  if (remember) return { verb: 'remember', what: remember };
  const slow = /^slow (\d+)$/i.exec(line)?.[1];
  if (slow) return { verb: 'slow', pieces: Math.min(Number(slow), MAX_PIECES) };
  return null;
}

function create(
  { path, content }: { path: string; content: string },
  results: readonly ToolResult[],
  canUseTools: boolean,
): Action {
  const last = results.at(-1);
  if (!last) return canUseTools ? { do: 'write', path, content } : cannot(`create ${path}`);
  if (!last.failed) return { do: 'say', text: `Created ${path}.` };
  // Claude Code's Write refuses a file that was not read before; a shell does not.
  if (last.tool === 'Write') return { do: 'shell', command: writeCommand(path, content) };
  return { do: 'say', text: `Could not create ${path}: ${last.text}` };
}

function run(command: string, results: readonly ToolResult[], canUseTools: boolean): Action {
  const last = results.at(-1);
  if (!last) return canUseTools ? { do: 'shell', command } : cannot(`run ${command}`);
  const output = last.text.trim();
  if (last.failed) return { do: 'say', text: `The command failed: ${output || 'it printed nothing'}` };
  return { do: 'say', text: output || 'The command printed nothing.' };
}

function cannot(what: string): Action {
  return { do: 'say', text: `I cannot ${what}: no tool was offered.` };
}

function recall(turns: readonly Turn[]): string {
  const remembered = turns
    .map((turn) => commandOf(turn.asked))
    .flatMap((command) => (command?.verb === 'remember' ? [command.what] : []));
  return remembered.length > 0
    ? `You asked me to remember ${remembered.join(', ')}.`
    : 'You have not asked me to remember anything.';
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
