import { decideWho, provenEmail, type AccountFacts, type Decision, type ExternalPerson } from './person.js';

const ann: ExternalPerson = {
  system: 'linear',
  externalId: 'u-1',
  handle: 'ann',
  name: 'Ann',
  email: 'ann@acme.example',
  emailProven: true,
  isApp: false,
  isActive: true,
};
const unknown: AccountFacts = { byId: null, isHandleOfAnother: false, byEmail: [] };
const byId = { id: 'a-1', userId: 'm-1', handle: 'ann', proof: 'authorization' as const };
const member = { userId: 'm-1', hasAccount: false };

const cases: [string, Partial<ExternalPerson>, Partial<AccountFacts>, Decision][] = [
  ['nobody knows them', {}, {}, { do: 'nothing' }],
  ['known by their id', {}, { byId }, { do: 'known', isRenamed: false }],
  ['known, with another name now', { handle: 'anna' }, { byId }, { do: 'known', isRenamed: true }],
  ['known, and no name came', { handle: null }, { byId }, { do: 'known', isRenamed: false }],
  [
    'the id wins over whatever the address says',
    {},
    { byId, byEmail: [{ userId: 'm-2', hasAccount: false }] },
    { do: 'known', isRenamed: false },
  ],
  [
    'the id wins over a name that was another’s',
    {},
    { byId, isHandleOfAnother: true },
    { do: 'known', isRenamed: false },
  ],
  ['one member has the address', {}, { byEmail: [member] }, { do: 'link', userId: 'm-1' }],
  [
    'that member has another account there',
    {},
    { byEmail: [{ ...member, hasAccount: true }] },
    { do: 'nothing' },
  ],
  [
    'two members have it',
    {},
    { byEmail: [member, { userId: 'm-2', hasAccount: false }] },
    { do: 'refuse', reason: 'ambiguous' },
  ],
  [
    'a member’s old name, another id',
    {},
    { isHandleOfAnother: true },
    { do: 'refuse', reason: 'handle-taken' },
  ],
  [
    'the same, with a member’s address',
    {},
    { isHandleOfAnother: true, byEmail: [member] },
    { do: 'refuse', reason: 'handle-taken' },
  ],
  [
    'given back by its member',
    {},
    { byId: { ...byId, proof: 'disconnected' }, byEmail: [member] },
    { do: 'nothing' },
  ],
  ['an app, whatever else', { isApp: true }, { byId, byEmail: [member] }, { do: 'refuse', reason: 'app' }],
  ['inactive there, whatever else', { isActive: false }, { byId }, { do: 'refuse', reason: 'inactive' }],
];

it.each(cases)('%s', (_, change, facts, decision) => {
  expect(decideWho({ ...ann, ...change }, { ...unknown, ...facts })).toEqual(decision);
});

const addresses: [string, string | null, boolean, string | null][] = [
  ['as it is', 'ann@acme.example', true, 'ann@acme.example'],
  ['in other case, with space around', ' Ann@ACME.example\n', true, 'ann@acme.example'],
  ['with a tag, which stays', 'ann+berth@acme.example', true, 'ann+berth@acme.example'],
  ['with dots, which stay', 'a.nn@acme.example', true, 'a.nn@acme.example'],
  ['with the Kelvin sign, which is no k', '\u212Aim@acme.example', true, '\u212Aim@acme.example'],
  ['that nobody vouches for', 'ann@acme.example', false, null],
  ['that GitHub made up', '1+ann@users.noreply.github.com', true, null],
  ['none', null, true, null],
  ['that is none', 'ann', true, null],
];

it.each(addresses)('an address %s', (_, email, emailProven, expected) => {
  expect(provenEmail({ ...ann, email, emailProven })).toBe(expected);
});
