import type { RepositorySource } from '../contracts/index.js';
import { commitAuthorOf } from './commit-author.js';

const ada = { name: 'Ada', email: 'ada@example.com' };
const https = (path: string): RepositorySource => ({ type: 'https', url: `https://${path}`, path });
const app = https('github.com/acme/app.git');

describe('commitAuthorOf', () => {
  it.each([
    ['a connected account', { externalId: '7', handle: 'ada-l' }, app, '7+ada-l@users.noreply.github.com'],
    ['no account', null, app, ada.email],
    ['an account whose name is not known', { externalId: '7', handle: null }, app, ada.email],
    ['a name that is none', { externalId: '7', handle: 'a> b' }, app, ada.email],
    ['an id that is none', { externalId: 'x', handle: 'ada' }, app, ada.email],
    ['another host', { externalId: '7', handle: 'ada' }, https('gitlab.com/acme/app.git'), ada.email],
    ['a host like it', { externalId: '7', handle: 'ada' }, https('github.com.evil.com/a/b.git'), ada.email],
    [
      'a folder',
      { externalId: '7', handle: 'ada' },
      { type: 'file', url: 'file:///github.com/x', path: '/github.com/x' } as const,
      ada.email,
    ],
  ])('is by %s', (_what, account, source, email) => {
    expect(commitAuthorOf(ada, account, source)).toEqual({ name: 'Ada', email });
  });
});
