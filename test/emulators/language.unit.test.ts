import { decide, titleObject, titleOf, writeCommand, type ToolResult, type Turn } from './language.js';

const done = (text: string): ToolResult => ({ tool: 'Bash', text, failed: false });
const broken = (text: string, tool = 'Bash'): ToolResult => ({ tool, text, failed: true });
const asked = (text: string, ...results: ToolResult[]): Turn => ({ asked: text, results });

describe('the little language', () => {
  it.each([
    ['create hello.txt', 'hello.txt', 'Hello from hello.txt\n'],
    ['Please create a new file called src/a.ts.', 'src/a.ts', 'Hello from src/a.ts\n'],
    ['create notes.md with three words here', 'notes.md', 'three words here\n'],
    ['@berth create a.txt', 'a.txt', 'Hello from a.txt\n'],
    ['Title: do it\n\ncreate a.txt\n\nThank you', 'a.txt', 'Hello from a.txt\n'],
  ])('writes a file for %j', (text, path, content) => {
    expect(decide([asked(text)], true)).toEqual({ do: 'write', path, content });
  });

  it('does not take a pull request for a file', () => {
    expect(decide([asked('create a pull request')], true)).toEqual({
      do: 'say',
      text: 'You said: create a pull request',
    });
  });

  it('says what became of the file', () => {
    expect(decide([asked('create a.txt', done('ok'))], true)).toEqual({ do: 'say', text: 'Created a.txt.' });
    expect(decide([asked('create a.txt', broken('disk full'))], true)).toEqual({
      do: 'say',
      text: 'Could not create a.txt: disk full',
    });
  });

  it('falls back to a shell when Write refuses', () => {
    const step = decide([asked('create a.txt', broken('not read yet', 'Write'))], true);
    expect(step).toEqual({ do: 'shell', command: writeCommand('a.txt', 'Hello from a.txt\n') });
  });

  it('runs a command once and answers with its output', () => {
    expect(decide([asked('run ls -la | wc -l')], true)).toEqual({ do: 'shell', command: 'ls -la | wc -l' });
    expect(decide([asked('run ls', done('a\nb\n'))], true)).toEqual({ do: 'say', text: 'a\nb' });
    expect(decide([asked('run x', broken(''))], true)).toEqual({
      do: 'say',
      text: 'The command failed: it printed nothing',
    });
  });

  it('remembers from the history that was sent, and nothing else', () => {
    const question = asked('So, what did I ask you to remember?');
    expect(decide([asked('remember pineapple'), question], true)).toEqual({
      do: 'say',
      text: 'You asked me to remember pineapple.',
    });
    expect(decide([question], true)).toEqual({
      do: 'say',
      text: 'You have not asked me to remember anything.',
    });
  });

  it('continues an interrupted turn without doing its tool again', () => {
    const again = asked('Continue from where you left off.');
    expect(decide([asked('run make', done('built')), again], true)).toEqual({ do: 'say', text: 'built' });
    expect(decide([asked('run make'), again], true)).toEqual({ do: 'shell', command: 'make' });
  });

  it('starts afresh when the same thing is asked again', () => {
    expect(decide([asked('run date', done('Monday')), asked('run date')], true)).toEqual({
      do: 'shell',
      command: 'date',
    });
  });

  it('counts slowly, and echoes the rest', () => {
    expect(decide([asked('slow 4')], true)).toEqual({ do: 'count', pieces: 4 });
    expect(decide([asked('Good day')], true)).toEqual({ do: 'say', text: 'You said: Good day' });
  });

  it('does not pretend to have tools', () => {
    expect(decide([asked('create a.txt')], false)).toEqual({
      do: 'say',
      text: 'I cannot create a.txt: no tool was offered.',
    });
  });

  it('makes titles', () => {
    expect(titleOf('<session>one two three four five six seven</session>')).toBe(
      'one two three four five six',
    );
    expect(JSON.parse(titleObject({ properties: { name: {} } }, 'fix it'))).toEqual({ name: 'fix it' });
    expect(JSON.parse(titleObject({}, 'fix it'))).toEqual({ title: 'fix it' });
  });

  it('quotes for the shell', () => {
    expect(writeCommand("it's", "a'b")).toContain(`printf '%s' 'a'\\''b' > 'it'\\''s'`);
  });
});
