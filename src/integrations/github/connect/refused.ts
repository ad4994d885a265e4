import { BerthError } from '../../../kernel/index.js';

/** A way to connect that ends here, as `login-refused`. `reason`: a sentence without its full stop. */
export function refused(reason: string): BerthError {
  return new BerthError('login-refused', `${reason}. Nothing was connected; begin again.`);
}
