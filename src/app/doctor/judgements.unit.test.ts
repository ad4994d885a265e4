import { clock } from './clock.js';
import { judgeDisk } from './disk-space.js';
import { judgeMemory } from './memory.js';
import { nodeVersion } from './node-version.js';
import { platform } from './platform.js';

it.each([
  ['20.19.0', 'ok'],
  ['22.1.0', 'ok'],
  ['20.18.3', 'fail'],
  ['18.20.0', 'fail'],
])('Node %s is %s', (version, status) => expect(nodeVersion(version).status).toBe(status));

it.each([
  ['linux', 'x64', 'ok'],
  ['linux', 'arm64', 'ok'],
  ['darwin', 'arm64', 'warn'],
  ['linux', 'ia32', 'warn'],
])('%s on %s is %s', (system, arch, status) =>
  expect(platform({ platform: system, arch, release: '6.1' }).status).toBe(status),
);

it.each([
  [8000, 'ok'],
  [1000, 'warn'],
  [300, 'fail'],
])('%i MiB of memory are %s', (availableMib, status) =>
  expect(judgeMemory({ availableMib, totalMib: 8000 }).status).toBe(status),
);

it.each([
  [50, false, 'ok'],
  [3, false, 'warn'],
  [0.5, false, 'fail'],
  [50, true, 'fail'],
])('%d GiB of disk (no more files: %s) are %s', (freeGib, isOutOfFiles, status) =>
  expect(judgeDisk({ freeGib, isOutOfFiles, dataDirectory: '/srv' }).status).toBe(status),
);

it.each([
  [[], 'skipped', 'no upstream answered'],
  [[null], 'skipped', 'no upstream answered'],
  [[1, null, -2], 'ok', 'agrees'],
  [[30], 'warn', '30 s ahead of'],
  [[-400], 'fail', '400 s behind'],
  // One upstream with a wrong clock of its own.
  [[4000, 0], 'ok', 'agrees'],
] as [(number | null)[], string, string][])('clocks off by %j are %s', (ahead, status, says) => {
  const finding = clock(ahead);
  expect(finding.status).toBe(status);
  expect(finding.message).toContain(says);
});
