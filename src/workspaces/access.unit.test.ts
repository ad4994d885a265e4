import type { Role } from '../contracts/index.js';
import type { Actor } from '../identity/index.js';
import { accessTo } from './access.js';

const actor = (userId: string, role: Role): Actor => ({
  organizationId: 'o',
  userId,
  name: 'n',
  email: 'e',
  role,
});

it.each([
  ['the owner of the workspace, a mere member', 'ada', 'member', 'use'],
  ['the owner of the workspace, an admin', 'ada', 'admin', 'use'],
  ['an admin', 'bob', 'admin', 'administer'],
  ['the owner of the organization', 'bob', 'owner', 'administer'],
  ['another member', 'bob', 'member', 'none'],
] as [string, string, Role, string][])('%s', (_, userId, role, access) => {
  expect(accessTo('ada', actor(userId, role))).toBe(access);
});
