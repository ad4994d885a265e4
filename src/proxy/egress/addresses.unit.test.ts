import { isPrivate, isPublic } from './addresses.js';

const open = ['8.8.8.8', '93.184.216.34', '2606:4700::1111', '::ffff:8.8.8.8', '1.1.1.1'];
const inside = [
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '100.64.0.1',
  'fd00::1',
  '::ffff:10.0.0.1',
];
const never = [
  ...[
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::7f00:1',
  ],
  ...['169.254.169.254', '169.254.0.1', 'fe80::1', 'fe80::1%eth0', '::ffff:169.254.169.254', 'fd00:ec2::254'],
  ...[
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    '198.18.0.1',
    '192.0.2.1',
    '203.0.113.1',
    '240.0.0.1',
  ],
  ...[
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '64:ff9b::808:808',
    '64:ff9b:1::1',
    '2002:7f00:1::',
  ],
  ...[
    '2001:0:1::1',
    '2001:db8::1',
    'fec0::1',
    '3fff::1',
    '4000::1',
    'e000::1',
    '',
    'localhost',
    '1.2.3',
    '2130706433',
  ],
];

describe('addresses', () => {
  it.each(open)('%s is of the open internet', (address) => {
    expect([isPublic(address), isPrivate(address)]).toEqual([true, false]);
  });
  it.each(inside)('%s is of a private network', (address) => {
    expect([isPublic(address), isPrivate(address)]).toEqual([false, true]);
  });
  it.each(never)('%j is neither', (address) => {
    expect([isPublic(address), isPrivate(address)]).toEqual([false, false]);
  });
});
