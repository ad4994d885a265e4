import { KnownFolders } from './known-folders.js';

describe('which folders the sweep asks about', () => {
  const there = new Set(['a', 'b', 'c', 'd']);

  it('asks about all at first, and the same when asked again', () => {
    const folders = new KnownFolders(2);
    expect(folders.toAsk(there)).toEqual(['a', 'b', 'c', 'd']);
    expect(folders.toAsk(there)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('asks about those it knows in turns, and about a new one at once', () => {
    const folders = new KnownFolders(2);
    folders.found([...there]);
    expect(folders.toAsk(there)).toEqual(['a', 'b']);
    folders.found(['a', 'b']);
    expect(folders.toAsk(new Set([...there, 'new']))).toEqual(['new', 'c', 'd']);
    folders.found(['new', 'c', 'd']);
    expect(folders.toAsk(there)).toEqual(['a', 'b']);
  });

  it('goes on asking about one whose row is missing, and forgets what is gone', () => {
    const folders = new KnownFolders(2);
    folders.found(['b', 'c']);
    expect(folders.toAsk(there)).toEqual(['a', 'd', 'b', 'c']);
    folders.keepOnly(new Set(['c', 'a']));
    expect(folders.toAsk(there)).toEqual(['a', 'b', 'd', 'c']);
  });
});
