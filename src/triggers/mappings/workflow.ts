import { isMap, isScalar, LineCounter, parseDocument, visit, type Pair, type Scalar } from 'yaml';
import { lineSchema } from '../../contracts/index.js';

/** What a repository tells its agents in `WORKFLOW.md`: front matter in YAML, then instructions in words (ai-implement.md 2). */
export interface Workflow {
  /** Passed on as it stands there; null: not named. */
  model: string | null;
  instructions: string | null;
  /** What of it was not understood or is not used, with its line, for people. */
  problems: string[];
}

export const WORKFLOW_FILE = 'WORKFLOW.md';
export const noWorkflow: Workflow = { model: null, instructions: null, problems: [] };

/** What an agent is given on its command line, of which no argument is longer than 128 KiB. */
const MAX_BYTES = 64 * 1024;
const MAX_FRONT_MATTER = 16 * 1024;
const MAX_PROBLEMS = 10;
/** Of this file in other programs. They come with later work. */
const LATER_KEYS = new Set(['gap_analysis_model', 'setup', 'verify', 'teardown']);
const modelSchema = lineSchema(200);

/**
 * Reads the file. Whatever stands there, it ends in a Workflow: what is wrong is said and left out, and the rest holds. YAML is read node by node and never turned into values, so that no alias is
 * followed and no tag obeyed.
 */
export function parseWorkflow(text: string): Workflow {
  const size = Buffer.byteLength(text);
  if (size > MAX_BYTES)
    return failed(
      `is ${Math.ceil(size / 1024)} KiB long, and ${MAX_BYTES / 1024} KiB are what agents are given; nothing of it is used`,
    );
  const { front, isOpen, body } = parted(text.replace(/^\ufeff/, '').replace(/\r\n?/g, '\n'));
  if (isOpen)
    return failed(
      'line 1: the front matter that begins here has no end (a line of three dashes); nothing of it is used',
    );
  const instructions = withoutComments(body).trim() || null;
  if (front === null) return { ...noWorkflow, instructions };
  const { model, problems } = readFront(front);
  const more = problems.length - MAX_PROBLEMS;
  const said = more > 0 ? [...problems.slice(0, MAX_PROBLEMS), `and ${more} more`] : problems;
  return { model, instructions, problems: said.map((problem) => `${WORKFLOW_FILE}, ${problem}`) };
}

function failed(problem: string): Workflow {
  return { ...noWorkflow, problems: [`${WORKFLOW_FILE}${problem.startsWith('line') ? ',' : ''} ${problem}`] };
}

/** `front` is null where the file has none, `isOpen` where it has no end. */
function parted(text: string): { front: string | null; isOpen?: true; body: string } {
  const lines = text.split('\n');
  if (lines[0]?.trimEnd() !== '---') return { front: null, body: text };
  const end = lines.findIndex((line, at) => at > 0 && line.trimEnd() === '---');
  if (end < 0) return { front: null, isOpen: true, body: '' };
  return { front: lines.slice(1, end).join('\n'), body: lines.slice(end + 1).join('\n') };
}

/** Comments of Markdown are for people. Looked for in one pass: an expression would look again from each beginning that has no end. */
function withoutComments(body: string): string {
  const parts: string[] = [];
  for (let at = 0; ;) {
    const begin = body.indexOf('<!--', at);
    const end = begin < 0 ? -1 : body.indexOf('-->', begin + 4);
    if (end < 0) return [...parts, body.slice(at)].join('');
    parts.push(body.slice(at, begin));
    at = end + 3;
  }
}

function readFront(front: string): { model: string | null; problems: string[] } {
  if (front.length > MAX_FRONT_MATTER)
    return {
      model: null,
      problems: [`line 1: the front matter is longer than ${MAX_FRONT_MATTER / 1024} KiB; it is not used`],
    };
  try {
    return readYaml(front);
  } catch {
    // Nested deeper than the reader can follow.
    return { model: null, problems: ['line 1: the front matter cannot be read; it is not used'] };
  }
}

function readYaml(front: string): { model: string | null; problems: string[] } {
  const lines = new LineCounter();
  // The line of the dashes is the first one of the file.
  const lineAt = (offset: number | undefined): string => `line ${lines.linePos(offset ?? 0).line + 1}`;
  const document = parseDocument(front, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
  const [error] = document.errors;
  if (error)
    return {
      model: null,
      problems: [`${lineAt(error.pos[0])}: ${error.message}; the front matter is not used`],
    };
  const alias = firstAlias(document);
  if (alias !== null)
    return {
      model: null,
      problems: [`${lineAt(alias)}: anchors and aliases are not read here; the front matter is not used`],
    };
  const { contents } = document;
  if (contents === null) return { model: null, problems: [] };
  if (!isMap(contents))
    return {
      model: null,
      problems: ['line 2: the front matter is no list of keys and values; it is not used'],
    };
  let model: string | null = null;
  const problems: string[] = [];
  for (const { key, value } of contents.items as Pair[]) {
    const name = isScalar(key) ? String(key.value) : '';
    const where = lineAt((key as { range?: [number] } | null)?.range?.[0]);
    if (name === 'model') {
      const read = isScalar(value) ? readModel(value) : null;
      if (read === null) problems.push(`${where}: model must be the name of a model, on one line`);
      model = read;
    } else if (LATER_KEYS.has(name)) problems.push(`${where}: ${name} is not used by this version of Berth`);
    else
      problems.push(
        `${where}: ${JSON.stringify(name.slice(0, 50))} is no key that Berth knows; it does nothing`,
      );
  }
  return { model, problems };
}

/** As it is written: what looks like a number to YAML is a name all the same. */
function readModel({ source, value, tag }: Scalar): string | null {
  if (tag !== undefined || value === null) return null;
  const read = modelSchema.safeParse(source ?? '');
  return read.success ? read.data : null;
}

function firstAlias(document: Parameters<typeof visit>[0]): number | null {
  let found: number | null = null;
  visit(document, {
    Alias: (_, { range }) => {
      found = range?.[0] ?? 0;
      return visit.BREAK;
    },
    Node: (_, node) => {
      if (!('anchor' in node) || node.anchor === undefined) return undefined;
      found = node.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return found;
}
