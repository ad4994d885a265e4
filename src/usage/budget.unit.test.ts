import { isFor, knownNow } from './budget.js';

const NAME = 'github.com/acme/app';
const budget = (subject: string | null, repositoryId: string | null) => ({
  scope: 'repository' as const,
  subject,
  repositoryId,
});
const repository = (name: string, repositoryId: string | null) => ({ name, repositoryId });

describe('a budget of a repository', () => {
  it.each([
    ['by its name, where neither has a number', budget(NAME, null), repository(NAME, null), true],
    ['not of another name', budget(NAME, null), repository('github.com/acme/other', null), false],
    ['by its name, where one of them has none', budget(NAME, null), repository(NAME, '1'), true],
    ['by its name, where the other has none', budget(NAME, '1'), repository(NAME, null), true],
    ['by its number, whatever its name', budget(NAME, '1'), repository('github.com/acme/new', '1'), true],
    ['not of who has its name now', budget(NAME, '1'), repository(NAME, '2'), false],
  ])('is for it %s', (_, of, used, expected) => {
    expect(isFor(of, { workspaceId: 'w', memberId: 'm', repository: used })).toBe(expected);
  });

  it.each([
    ['its number is news', budget(NAME, null), repository(NAME, '1'), true],
    ['its name is news', budget(NAME, '1'), repository('github.com/acme/new', '1'), true],
    ['it stands so, but for the case', budget(NAME, '1'), repository('github.com/Acme/app', '1'), false],
    ['a folder has no number', budget('file:///a', null), repository('file:///a', null), false],
  ])('learns what it is where %s', (_, of, used, learns) => {
    expect(knownNow(of, used)).toEqual(learns ? used : null);
  });

  it('has a number, and no other has', () => {
    const ofMember = { scope: 'member' as const, subject: 'm', repositoryId: null };
    expect(isFor(ofMember, { workspaceId: 'w', memberId: 'm', repository: repository(NAME, '1') })).toBe(
      true,
    );
    expect(knownNow(ofMember, repository(NAME, '1'))).toBeNull();
  });
});
