import { parseWorkflow } from './workflow.js';

const file = (front: string, body = 'Run the tests.'): string => `---\n${front}\n---\n${body}\n`;

describe('WORKFLOW.md', () => {
  it.each<[string, string, string | null, string | null]>([
    ['model and instructions', file('model: claude-opus-4-6'), 'claude-opus-4-6', 'Run the tests.'],
    ['no front matter', 'Run the tests.\n', null, 'Run the tests.'],
    ['empty', '', null, null],
    ['a model in quotes, with a note', file('model: "claude-x" # ours'), 'claude-x', 'Run the tests.'],
    ['a name that looks like a number', file('model: 4.60'), '4.60', 'Run the tests.'],
    [
      'lines that end as on Windows, and a byte order mark',
      '\ufeff---\r\nmodel: a\r\n---\r\nDo.\r\n',
      'a',
      'Do.',
    ],
    ['rules in the body', 'Do.\n\n---\nmodel: b\n---\n', null, 'Do.\n\n---\nmodel: b\n---'],
    ['comments', file('model: a', 'Do <!-- not -->this. <!-- open'), 'a', 'Do this. <!-- open'],
    [
      'placeholders, which stay',
      file('', 'Fix ${ISSUE_TITLE} in ${HOME}.'),
      null,
      'Fix ${ISSUE_TITLE} in ${HOME}.',
    ],
    ['front matter alone', '---\nmodel: a\n---', 'a', null],
  ])('%s', (_, text, model, instructions) => {
    expect(parseWorkflow(text)).toEqual({ model, instructions, problems: [] });
  });

  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, at) => `${name}: &${name} [${`*${'abcdefg'[at] ?? ''},`.repeat(9)}]`),
  ].join('\n');
  it.each<[string, string, string | null, RegExp[]]>([
    ['YAML that is broken', file('model: a\nb: [1'), null, [/^WORKFLOW\.md, line [34]: .*not used$/s]],
    ['a bomb of anchors', file(bomb), null, [/^WORKFLOW\.md, line 2: anchors/]],
    ['an anchor that nobody uses', file('model: &x a'), null, [/line 2: anchors/]],
    ['a list', file('- a'), null, [/line 2: .*no list of keys/]],
    [
      'keys nobody knows, and later ones',
      file('modle: a\nsetup: x.sh\nmodel: b'),
      'b',
      [/line 2: "modle" is no key/, /line 3: setup is not used/],
    ],
    ['a key said twice', file('model: a\nmodel: b'), null, [/line 3: .*unique/]],
    ['a model that is no name', file('model: [a, b]'), null, [/line 2: model must be/]],
    ['a model of no text', file('model:'), null, [/line 2: model must be/]],
    ['a model with a tag', file('model: !!binary aGk='), null, [/line 2: model must be/]],
    ['a model of several lines', file('model: "a\\nb"'), null, [/line 2: model must be/]],
    ['a front matter without end', '---\nmodel: a\n', null, [/line 1: .*no end/]],
    ['one that is too long', file(`model: ${'a'.repeat(20_000)}`), null, [/line 1: .*longer than 16 KiB/]],
    ['one that is too deep', file(`a: ${'['.repeat(16_000)}`), null, [/line \d+: /]],
  ])('%s is said with line and reason, and the rest holds', (_, text, model, problems) => {
    const read = parseWorkflow(text);
    expect(read.model).toBe(model);
    expect(read.problems).toHaveLength(problems.length);
    for (const [at, problem] of problems.entries()) expect(read.problems[at]).toMatch(problem);
    expect(read.instructions).toBe(
      text.startsWith('---\nmodel: a\n') && !text.includes('Run') ? null : 'Run the tests.',
    );
  });

  it('of five megabytes nothing is used, and many faults are few lines', () => {
    expect(parseWorkflow('x'.repeat(5 * 1024 * 1024))).toEqual({
      model: null,
      instructions: null,
      problems: ['WORKFLOW.md is 5120 KiB long, and 64 KiB are what agents are given; nothing of it is used'],
    });
    const many = parseWorkflow(file(Array.from({ length: 100 }, (_, at) => `key${at}: 1`).join('\n')));
    expect(many.problems).toHaveLength(11);
    expect(many.problems.at(-1)).toBe('WORKFLOW.md, and 90 more');
  });
});
