import { KnownFolders } from './known-folders.js';

describe('which folders the sweep asks about', () => {
  const there = new Set(['a', 'b', 'c', 'd']);
  function known(...ids: string[]): KnownFolders {
    const folders = new KnownFolders(2);
    folders.see(there);
    folders.found(ids);
    return folders;
  }

  it('asks about all at first, and the same when asked again', () => {
    const folders = known();
    expect(folders.toAsk()).toEqual(['a', 'b', 'c', 'd']);
    expect(folders.toAsk()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('asks about those it knows in turns, and about a new one at once', () => {
    const folders = known(...there);
    expect(folders.toAsk()).toEqual(['a', 'b']);
    folders.next();
    folders.see(new Set([...there, 'new']));
    expect(folders.toAsk()).toEqual(['new', 'c', 'd']);
    folders.found(['new', 'c', 'd']);
    folders.next();
    expect(folders.toAsk()).toEqual(['a', 'b']);
    folders.next();
    // The new one came last.
    expect(folders.toAsk()).toEqual(['new', 'c']);
  });

  it('asks about the same until a sweep was carried out, whatever was found meanwhile', () => {
    const folders = known('a', 'b', 'c');
    expect(folders.toAsk()).toEqual(['d', 'a', 'b']);
    folders.found(['d', 'a', 'b']);
    expect(folders.toAsk()).toEqual(['a', 'b']);
    folders.next();
    expect(folders.toAsk()).toEqual(['c', 'd']);
  });

  it('goes on asking about one whose row is missing, and forgets what is gone', () => {
    const folders = known('b', 'c');
    expect(folders.toAsk()).toEqual(['a', 'd', 'b', 'c']);
    folders.see(new Set(['c', 'a']));
    expect(folders.toAsk()).toEqual(['a', 'c']);
    folders.see(there);
    expect(folders.toAsk()).toEqual(['a', 'b', 'd', 'c']);
  });

  it('takes all in turn, each once in a round', () => {
    const folders = known(...there);
    const asked = [0, 1, 2, 3].flatMap(() => {
      const turn = folders.toAsk();
      folders.next();
      return turn;
    });
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']);
  });
});
