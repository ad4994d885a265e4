import type { Role } from '../contracts/index.js';
import type { Actor } from '../identity/index.js';
import { rightsTo } from './access.js';

const OWNER = 'owner-of-the-workspace';
const actor = (userId: string, role: Role): Actor => ({ userId, role }) as Actor;

/** Whose it is x shared x role. */
describe('rights to a workspace', () => {
  it.each<[Role, boolean]>([
    ['owner', false],
    ['admin', false],
    ['member', false],
    ['member', true],
  ])('its owner, %s, shared %s: all', (role, shared) => {
    expect(rightsTo({ ownerId: OWNER, shared }, actor(OWNER, role))).toEqual([
      'see',
      'converse',
      'administer',
      'use',
    ]);
  });

  it.each<[Role, boolean, string[]]>([
    ['owner', false, ['see', 'administer']],
    ['admin', false, ['see', 'administer']],
    ['member', false, []],
    ['owner', true, ['see', 'converse', 'administer']],
    ['admin', true, ['see', 'converse', 'administer']],
    ['member', true, ['see', 'converse']],
  ])('another %s, shared %s: %j', (role, shared, rights) => {
    expect(rightsTo({ ownerId: OWNER, shared }, actor('other', role))).toEqual(rights);
  });
});
