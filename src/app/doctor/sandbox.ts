import { probeSandbox, sandboxAdvice } from '../../runtime/index.js';
import type { Config } from '../../config/index.js';
import { fail, ok, warn, type Finding } from './report.js';

const INSTALL =
  'Install it (Debian/Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap), or set BERTH_SANDBOX=preferred (or off) to run agents without a sandbox.';

/** bubblewrap can make the sandbox that agents run in. It is really tried. */
export async function sandbox({ runtime }: Pick<Config, 'runtime'>): Promise<Finding> {
  if (runtime.sandbox === 'off')
    return warn(
      'Agents run without a sandbox (BERTH_SANDBOX=off): they can do everything that the user who runs Berth can.',
      'Unset BERTH_SANDBOX, unless this machine is a sandbox itself.',
    );
  const probe = await probeSandbox(runtime.path);
  if (probe.state === 'working') return ok(`bubblewrap works (${probe.bwrap})`);
  const [said, mend] =
    probe.state === 'missing'
      ? ['bubblewrap (bwrap) is not on PATH.', INSTALL]
      : [`bubblewrap (${probe.bwrap}) may not make a sandbox here: ${probe.reason}`, sandboxAdvice(probe)];
  return runtime.sandbox === 'required' ? fail(said, mend) : warn(said, mend);
}
