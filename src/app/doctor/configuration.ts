import type { Diagnosis } from '../../config/index.js';
import { fail, ok, warn, type Finding } from './report.js';

/** The environment is one that Berth starts with. The finding names variables, never their values. */
export function configuration({ config, problem, unknown }: Diagnosis): Finding {
  if (problem !== null) return fail(problem.message, 'Correct or unset what is named here.');
  if (unknown.length > 0)
    return warn(
      `Berth does not know ${unknown.join(', ')}.`,
      'Correct the spelling, or unset it. The table under "Configuration" in the README has every variable.',
    );
  return ok(`role ${config?.role ?? 'all'}`);
}
