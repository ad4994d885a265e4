/** `npm test`: everything that must pass, on a bare machine (see prepare.mjs); then runs Jest, with the arguments it was given. */
import { jest, prepare } from './prepare.mjs';

const agents = await prepare();
process.exit(jest(process.argv.slice(2), agents));
