import { rm } from 'node:fs/promises';
import { bundle, bundleAlone } from './bundle.js';

/** `npm run build`: the programs of Berth, and of its configuration what scripts/prepare.mjs asks. */
const PROGRAMS = ['main', 'proxy/main', 'runner/main', 'cli/main', 'config/index'];

await rm('dist', { recursive: true, force: true });
await bundle('dist', PROGRAMS);
// Of all files it alone is shown to what runs inside of a sandbox.
await bundleAlone('dist', 'runner/inside/forwarder');
