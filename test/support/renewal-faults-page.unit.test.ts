import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renewalFaultsPage } from './renewal-faults-page.js';

describe('docs/renewal-faults.md', () => {
  it('says what the tests run over; else: npx tsx scripts/write-renewal-faults.ts', () => {
    const page = fileURLToPath(new URL('../../docs/renewal-faults.md', import.meta.url));
    expect(readFileSync(page, 'utf8')).toBe(renewalFaultsPage());
  });
});
