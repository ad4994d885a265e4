import { PlainProgress, SpinnerProgress, type Progress } from './progress.js';

/** What a terminal shows after these writes: the text since its line was last erased. */
const shown = (written: string): string => written.split('\r\u001b[2K').at(-1) ?? '';

describe('on a terminal', () => {
  let written: string;
  let now: number;
  let progress: SpinnerProgress;
  beforeEach(() => {
    written = '';
    now = 0;
    progress = new SpinnerProgress(
      (text) => (written += text),
      () => 40,
      () => now,
    );
  });
  afterEach(() => progress.clear());

  it('turns, and leaves nothing behind', () => {
    progress.wait('The workspace is waking');
    expect(shown(written)).toMatch(/^\S The workspace is waking$/);
    progress.clear();
    expect(shown(written)).toBe('');
  });

  it('makes way for a remark', () => {
    progress.wait('Waiting');
    progress.note('berth: pushed');
    expect(shown(written)).toBe('berth: pushed\n');
  });

  it('never wraps, and shows no escape sequences of others', () => {
    progress.wait(`\u001b[31m${'x'.repeat(100)}`);
    expect(shown(written)).toHaveLength(39);
    expect(shown(written)).not.toContain('\u001b');
  });

  it('writes nothing when nothing turned', () => {
    progress.clear();
    expect(written).toBe('');
  });
});

it('elsewhere is a line for each thing, once', () => {
  let written = '';
  const progress: Progress = new PlainProgress((text) => (written += text));
  progress.wait('One');
  progress.wait('One');
  progress.glance('A moment');
  progress.wait('Two');
  progress.clear();
  expect(written).toBe('One\nTwo\n');
});
