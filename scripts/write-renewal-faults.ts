/** Writes docs/renewal-faults.md of the table of renewal's faults. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renewalFaultsPage } from '../test/support/renewal-faults-page.js';

writeFileSync(fileURLToPath(new URL('../docs/renewal-faults.md', import.meta.url)), renewalFaultsPage());
