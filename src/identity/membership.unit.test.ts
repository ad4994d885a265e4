import type { Role } from '../contracts/index.js';
import {
  objectionToInvite,
  objectionToRemoval,
  objectionToRole,
  type MembershipFacts,
} from './membership.js';

const roles: Role[] = ['owner', 'admin', 'member'];
const two = (actor: Role, target: Role): MembershipFacts => ({ actor, target, isSelf: false, owners: 2 });
const self = (actor: Role, owners = 2): MembershipFacts => ({ actor, target: actor, isSelf: true, owners });

/** Every cell of actor x target x new role, for two different persons. `+` allowed, `-` forbidden; new roles in the order owner, admin, member. */
const changes: [Role, Role, string][] = [
  ['owner', 'owner', '+++'],
  ['owner', 'admin', '+++'],
  ['owner', 'member', '+++'],
  ['admin', 'owner', '---'],
  ['admin', 'admin', '---'],
  ['admin', 'member', '-++'],
  ['member', 'owner', '---'],
  ['member', 'admin', '---'],
  ['member', 'member', '---'],
];

describe('the role of another', () => {
  it.each(changes)('%s upon %s: %s', (actor, target, expected) => {
    const allowed = roles.map((role) => (objectionToRole(two(actor, target), role) ? '-' : '+')).join('');
    expect(allowed).toBe(expected);
  });

  it('has a cell for every pair', () => {
    expect(new Set(changes.map(([actor, target]) => `${actor} ${target}`)).size).toBe(roles.length ** 2);
  });
});

describe('one’s own role', () => {
  it.each<[Role, string]>([
    ['owner', '+++'],
    ['admin', '-++'],
    ['member', '--+'],
  ])('%s may become: %s', (actor, expected) => {
    expect(roles.map((role) => (objectionToRole(self(actor), role) ? '-' : '+')).join('')).toBe(expected);
  });
});

describe('removal', () => {
  it.each<[Role, string]>([
    ['owner', '+++'],
    ['admin', '--+'],
    ['member', '---'],
  ])('%s may remove owner, admin, member: %s', (actor, expected) => {
    expect(roles.map((target) => (objectionToRemoval(two(actor, target)) ? '-' : '+')).join('')).toBe(
      expected,
    );
  });

  it.each(roles)('%s may leave', (role) => {
    expect(objectionToRemoval(self(role))).toBeNull();
  });
});

describe('the last owner', () => {
  it('stays, whatever is tried', () => {
    const facts = self('owner', 1);
    for (const objection of [
      objectionToRemoval(facts),
      objectionToRole(facts, 'admin'),
      objectionToRole(facts, 'member'),
      objectionToRemoval({ ...facts, isSelf: false }),
    ])
      expect(objection?.code).toBe('last-owner');
    expect(objectionToRole(facts, 'owner')).toBeNull();
  });

  it('is told of only to who might do it at all', () => {
    const facts = { actor: 'admin', target: 'owner', isSelf: false, owners: 1 } as const;
    expect(objectionToRemoval(facts)?.code).toBe('forbidden');
  });
});

describe('invitations', () => {
  it.each<[Role, string]>([
    ['owner', '+++'],
    ['admin', '-++'],
    ['member', '---'],
  ])('%s may invite owner, admin, member: %s', (actor, expected) => {
    expect(roles.map((role) => (objectionToInvite(actor, role) ? '-' : '+')).join('')).toBe(expected);
  });
});
