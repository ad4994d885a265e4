import { rm } from 'node:fs/promises';
import { bundle, bundleAlone, project } from './bundle.js';

/** `npm run build`: the programs of Berth, and of its configuration what scripts/prepare.mjs asks. */
const PROGRAMS = [project.entryFile, 'proxy/main', 'runner/main', 'cli/main', 'config/index'];

await rm('dist', { recursive: true, force: true });
await bundle('dist', PROGRAMS);
// Of all files it alone is shown to what runs inside of a sandbox.
await bundleAlone('dist', 'runner/inside/forwarder');
