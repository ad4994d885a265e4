// Imports nothing, and must not: a runner starts without any package, and takes this from here at run time.

const LONGEST_POLL_SECONDS = 25;
/** An answered poll is the sign that a control plane is there, so several must fit into the time after which it is given up. */
const POLLS_PER_ORPHAN_TIME = 3;

/** How long a runner's polls wait; the wire allows 30 s. As it asks for commands all its life, this is its heartbeat too: who was not heard for several polls hangs. */
export function pollSeconds(orphanSeconds: number): number {
  return Math.min(LONGEST_POLL_SECONDS, orphanSeconds / POLLS_PER_ORPHAN_TIME);
}
