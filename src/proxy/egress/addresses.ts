import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Where clouds tell machines who they are, outside of the ranges below that would give them away: Azure, Alibaba, AWS, Google, Oracle, Scaleway. */
const METADATA = new Set([
  '168.63.129.16',
  '100.100.100.200',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fd00:c1::a9fe:a9fe',
  'fd00:42::42',
]);
/** What a network of one's own is made of. Never this machine, a link, or what routers keep for themselves. */
const PRIVATE = new Set(['private', 'uniqueLocal', 'carrierGradeNat']);
/** All of IPv6 that is given out as global unicast (RFC 4291 section 2.4): what lies outside, such as `::7f00:1`, may lead anywhere. */
const GLOBAL_IPV6 = ipaddr.IPv6.parse('2000::');
const GLOBAL_IPV6_BITS = 3;

type Address = ReturnType<typeof ipaddr.process>;

/** The address that is meant; a mapped one (`::ffff:a.b.c.d`) is the IPv4 address. Null for what is none. */
function read(text: string): Address | null {
  // The library also reads `127.1` and the like, which a resolver never answers.
  return isIP(text) === 0 ? null : ipaddr.process(text);
}

function isMetadata(address: Address): boolean {
  return METADATA.has(address.toString());
}

/** Whether an address is one of the open internet. */
export function isPublic(text: string): boolean {
  const address = read(text);
  if (!address || isMetadata(address) || address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_IPV6, GLOBAL_IPV6_BITS);
}

/** Whether an address is one of a private network, where machines are that somebody may name. */
export function isPrivate(text: string): boolean {
  const address = read(text);
  return address !== null && !isMetadata(address) && PRIVATE.has(address.range());
}
