import type { Role } from '../contracts/index.js';
import { administers, type Actor } from './actor.js';

it.each<[Role, boolean]>([
  ['owner', true],
  ['admin', true],
  ['member', false],
])('%s administers: %s', (role, expected) => {
  expect(administers({ role } as Actor)).toBe(expected);
});
