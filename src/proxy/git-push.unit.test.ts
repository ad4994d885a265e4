import { objectionTo, PushMalformed, PushReader, refusedReport, type PushRequest } from './git-push.js';
import { command, ONE, packet, ZERO } from './testing/pushes.js';

const OWN = ['refs/heads/berth/0badcafe'];
const [ref = ''] = OWN;

/** The list of a push, read in pieces of so many bytes. */
function read(text: string, size = text.length): PushRequest {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new PushReader();
  for (let at = 0; at < bytes.length; at += size) reader.add(bytes.subarray(at, at + size));
  if (!reader.request) throw new PushMalformed('unfinished');
  reader.packBegins();
  expect(reader.bytes).toEqual(bytes);
  return reader.request;
}

describe('the list of a push', () => {
  it.each([1, 3, 1000])('is read whatever pieces it comes in (%i bytes)', (size) => {
    const text = `${packet(`shallow ${ONE}\n`)}${command(ref)}${packet(`${ONE} ${ZERO} refs/tags/v1`)}0000PACK`;
    const { commands, capabilities } = read(text, size);
    expect(commands).toEqual([
      { ref, isDelete: false },
      { ref: 'refs/tags/v1', isDelete: true },
    ]);
    expect(capabilities).toEqual(new Set(['report-status', 'side-band-64k']));
  });

  it('knows whether the pack has begun', () => {
    const reader = new PushReader();
    reader.add(Buffer.from(`${command(ref)}0000PA`));
    expect(reader.packBegins()).toBe(false);
    reader.add(Buffer.from('CK'));
    expect(reader.packBegins()).toBe(true);
  });

  it('may be empty: git tries with that whether it may push', () => {
    expect(read('0000').commands).toEqual([]);
  });

  it.each<[string, string]>([
    ['no length', `zzzz${ZERO}`],
    ['a sign for a length', `-001${ZERO}`],
    ['a line without a word', '0004'],
    ['a marker of another protocol', '0001'],
    ['a length beyond a line’s', 'ffff'],
    ['something before the list', `PACK${command(ref)}0000`],
    ['a command without ids', `${packet(`${ref}\0 report-status`)}0000`],
    ['a short id', `${packet(`${ZERO} ${'1'.repeat(39)} ${ref}\0`)}0000`],
    ['ids of two kinds', `${packet(`${ZERO} ${'1'.repeat(64)} ${ref}\0`)}0000`],
    ['capital ids', `${packet(`${ZERO} ${'A'.repeat(40)} ${ref}\0`)}0000`],
    ['no ref', `${packet(`${ZERO} ${ONE} \0`)}0000`],
    ['a ref with a line break', `${packet(`${ZERO} ${ONE} ${ref}\nng\0 report-status`)}0000`],
    [
      'capabilities of a second command',
      `${command(ref)}${packet(`${ZERO} ${ONE} refs/heads/x\0 atomic`)}0000`,
    ],
    ['capabilities twice', `${packet(`${ZERO} ${ONE} ${ref}\0 a\0 push-options`)}0000`],
    ['a ref twice', `${command(ref)}${packet(`${ZERO} ${ONE} ${ref}`)}0000`],
    ['a shallow line behind a command', `${command(ref)}${packet(`shallow ${ONE}`)}0000`],
    ['a signature', `${packet('push-cert\0 report-status\n')}0000`],
    ['another list behind it', `${command(ref)}0000${command('refs/heads/main')}0000`],
    ['another list behind an empty one', `0000${command('refs/heads/main')}0000PACK`],
    ['something in place of a pack', `${command(ref)}0000PUCK`],
  ])('with %s is none', (_, text) => {
    expect(() => read(text)).toThrow(PushMalformed);
    expect(() => read(text, 1)).toThrow(PushMalformed);
  });

  it('is bounded', () => {
    const reader = new PushReader();
    const more = (n: number): void => reader.add(Buffer.from(packet(`${ZERO} ${ONE} refs/heads/${n}`)));
    expect(() => Array.from({ length: 2000 }, (_, n) => more(n))).toThrow(/too many refs/);
  });
});

describe('what is pushed', () => {
  const of = (text: string): PushRequest => read(`${text}0000`);
  const nothingElse = 'this workspace may push berth/0badcafe and nothing else';

  it.each<[string, string, string | null]>([
    ['the own branch', command(ref), null],
    ['nothing', '', null],
    ['a ref below the own branch', command(`${ref}/x`), nothingElse],
    ['a branch that begins like the own', command(`${ref}x`), nothingElse],
    ['the own name as a tag', command('refs/tags/berth/0badcafe'), nothingElse],
    ['another branch', command('refs/heads/main'), nothingElse],
    ['a tag', command('refs/tags/v1'), nothingElse],
    ['a review', command('refs/for/main'), nothingElse],
    ['HEAD', command('HEAD'), nothingElse],
    ['another beside the own', `${command(ref)}${packet(`${ZERO} ${ONE} refs/heads/main`)}`, nothingElse],
    ['the end of the own branch', command(ref, ZERO), 'berth/0badcafe may not be deleted from here'],
    ['options', command(ref, ONE, 'report-status push-options'), 'push options are not taken here'],
  ])('%s', (_, text, objection) => {
    expect(objectionTo(of(text), OWN)).toBe(objection);
  });

  it('is refused in a report that git reads, cut into pieces where it is long', () => {
    const report = refusedReport(of(command('refs/heads/main')), 'not here')?.toString();
    const inner = `${packet('unpack ok\n')}${packet('ng refs/heads/main not here\n')}0000`;
    expect(report).toBe(`${packet('\u0002Berth: not here.\n')}${packet(`\u0001${inner}`)}0000`);
    expect(refusedReport(of(command('refs/heads/main', ONE, 'report-status')), 'not here')?.toString()).toBe(
      inner,
    );
    expect(refusedReport(of(command('refs/heads/main', ONE, 'atomic')), 'not here')).toBeNull();
    const many = Array.from({ length: 600 }, (_, n) => packet(`${ZERO} ${ONE} refs/heads/${n}`)).join('');
    const long = refusedReport(of(command('refs/heads/x') + many), 'y'.repeat(100)) ?? Buffer.alloc(0);
    let at = 0;
    while (at < long.length) at += Math.max(4, Number.parseInt(long.toString('latin1', at, at + 4), 16));
    expect(at).toBe(long.length);
  });
});
