import { BerthError } from '../../kernel/index.js';
import { runtimeFailure } from './failures.js';

const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: refused, open '/secret/place'`), { code });

describe('runtimeFailure', () => {
  it.each([
    ['ENOSPC', /disk .* is full\. Free some space/],
    ['EDQUOT', /disk .* is full\. Free some space/],
    ['EACCES', /may not write .* Give the user/],
    ['EPERM', /may not write .* Give the user/],
    ['EROFS', /read-only\. Mount it writable/],
    ['EMFILE', /no room for another process/],
    ['EAGAIN', /no room for another process/],
    ['ENOMEM', /out of memory/],
    ['EIO', /\(EIO\).*log has the details/],
  ])('%s says what to do, and no path', (code, sentence) => {
    const failure = runtimeFailure(systemError(code), 'Starting the workspace');
    expect(failure.code).toBe('runtime-failed');
    expect(failure.message).toMatch(/^Starting the workspace failed\. /);
    expect(failure.message).toMatch(sentence);
    expect(failure.message).not.toContain('/secret/place');
    expect(failure.cause).toMatchObject({ code });
  });

  it('passes our own errors unchanged', () => {
    const own = new BerthError('agent-missing', 'Install it.');
    expect(runtimeFailure(own, 'Starting')).toBe(own);
  });
});
