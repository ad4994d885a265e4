import { BerthError, type Log } from '../../kernel/index.js';
import type { SandboxMode } from './options.js';
import { probeSandbox, type SandboxProbe, sandboxAdvice } from './sandbox-probe.js';

/** How a runner runs its agent, as `runnerFileSchema.sandbox` says it. */
export type SandboxChoice = { mode: 'bubblewrap' | 'off'; bwrap: string };

/** The runner takes no empty program name, and never looks at this one. */
const NO_SANDBOX: SandboxChoice = { mode: 'off', bwrap: 'bwrap' };
const OFF_WARNING =
  'AGENTS RUN WITHOUT A SANDBOX (BERTH_SANDBOX=off): they can read and change everything that the user who runs Berth can. Use this only on a machine that is a sandbox itself.';

/** Applies `BERTH_SANDBOX` to what the machine can do. */
export class SandboxChooser {
  private working: SandboxChoice | null = null;

  constructor(
    private readonly mode: SandboxMode,
    private readonly path: string,
    private readonly log: Log,
    private readonly probe: (path: string) => Promise<SandboxProbe> = probeSandbox,
  ) {}

  /** Says once, at the start of Berth, what to expect. Never fails: Berth starts without a sandbox, its workspaces do not. */
  async announce(): Promise<void> {
    if (this.mode === 'off') {
      this.log.warn({ sandbox: 'off' }, OFF_WARNING);
      return;
    }
    const found = await this.find();
    if (found.choice !== null) this.log.info({ sandbox: 'bubblewrap' }, 'agents run in a sandbox');
    else if (this.mode === 'required') this.log.error({ sandbox: 'unavailable' }, found.advice);
    else this.log.warn({ sandbox: 'off' }, withoutSandbox(found.advice));
  }

  /** What a new runner gets. Fails with `sandbox-unavailable` when a sandbox is required and does not work. */
  async choose(workspaceId: string): Promise<SandboxChoice> {
    if (this.mode === 'off') return NO_SANDBOX;
    const found = await this.find();
    if (found.choice !== null) return found.choice;
    if (this.mode === 'required') throw new BerthError('sandbox-unavailable', found.advice);
    this.log.warn({ workspaceId, sandbox: 'off' }, withoutSandbox(found.advice));
    return NO_SANDBOX;
  }

  /** True when a runner that was started with this choice may go on under today's setting. */
  accepts(mode: SandboxChoice['mode']): boolean {
    return mode === 'bubblewrap' || this.mode !== 'required';
  }

  /** Only success is remembered, so that installing bubblewrap and trying again is enough. */
  private async find(): Promise<{ choice: SandboxChoice | null; advice: string }> {
    if (this.working !== null) return { choice: this.working, advice: '' };
    const probe = await this.probe(this.path);
    if (probe.state === 'working') this.working = { mode: 'bubblewrap', bwrap: probe.bwrap };
    return { choice: this.working, advice: sandboxAdvice(probe) };
  }
}

function withoutSandbox(advice: string): string {
  return `Agents run WITHOUT a sandbox (BERTH_SANDBOX=preferred). ${advice}`;
}
