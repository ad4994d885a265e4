import type { Upstream } from '../contracts/agents.js';
import { BerthError } from '../kernel/index.js';
import type { HeldLease, LeaseCache } from './leases.js';

/**
 * Keeps a budget from being overrun by more than one call of this workspace's agent. While its calls use a budget, one is under way at a time; the next asks for a lease of its own once the control plane
 * knows what the one before has used, and is refused if nothing is left. Where no budget is used, calls go their way and nothing is added to it.
 */
export class BudgetGate {
  /** The last lease said that a budget is used. */
  #isOn = false;
  #last: Promise<void> = Promise.resolve();

  /** `accounted` ends when everything that calls have used so far has been accepted by the control plane (or given up). */
  constructor(
    private readonly leases: Pick<LeaseCache, 'get' | 'fresh'>,
    private readonly accounted: () => Promise<void>,
  ) {}

  /** The leases of one model call. */
  call(): BudgetedCall {
    const gate = {
      isOn: () => this.#isOn,
      turn: (isOn: boolean) => void (this.#isOn = isOn),
      enter: () => this.#enter(),
    };
    return new BudgetedCall(gate, this.leases);
  }

  /** In the order of their coming: `ready` ends when all before have left. */
  #enter(): Pass {
    const ready = this.#last;
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => (leave = resolve));
    this.#last = ready.then(() => left);
    return { ready, leave: () => void this.accounted().then(leave, leave) };
  }
}

interface Pass {
  ready: Promise<void>;
  leave: () => void;
}

interface Gate {
  isOn(): boolean;
  turn(isOn: boolean): void;
  enter(): Pass;
}

/** Where one model call gets its leases: the first one, and others if that is refused. */
export class BudgetedCall implements Pick<LeaseCache, 'get'> {
  #pass: Pass | null = null;
  #isOver = false;

  constructor(
    private readonly gate: Gate,
    private readonly leases: Pick<LeaseCache, 'get' | 'fresh'>,
  ) {}

  /** As `LeaseCache.get`, and `budget-spent`; may take as long as the calls before. */
  async get(upstream: Upstream): Promise<HeldLease> {
    if (!this.#pass && !this.gate.isOn()) {
      const lease = await this.leases.get(upstream);
      if (!lease.budgeted) return lease;
    }
    // What enters after its end would never leave, and hold up every call behind it.
    this.#mustGoOn();
    this.#pass ??= this.gate.enter();
    await this.#pass.ready;
    this.#mustGoOn();
    // That one which was got outside may be from before the last call was accounted for.
    const lease = await this.leases.fresh(upstream);
    this.gate.turn(lease.budgeted ?? false);
    return lease;
  }

  /** The call is over; to be called once, whatever became of it. */
  end(): void {
    this.#isOver = true;
    this.#pass?.leave();
  }

  /** Throws when its agent has left while it waited. */
  #mustGoOn(): void {
    if (this.#isOver) throw new BerthError('not-ready', 'The call is over.');
  }
}
