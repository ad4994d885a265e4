import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimedTurn } from '../contracts/runner.js';

interface Entry {
  turnId: string;
  attemptId: string;
  session: string | null;
  mode: ClaimedTurn['mode'];
  /** An agent was begun with it; before that, nothing of the attempt can have been done, and its request is in no session. */
  given: boolean;
  /** What an agent has to know of what others pushed before the turn; in part since an earlier attempt. */
  note: string | null;
}

const NAME = 'attempt.json';

/**
 * The last attempt that was begun, kept in the runner's own folder. It answers what a crash leaves open: was this attempt already given to an agent
 * (then it is continued, never asked again; Codex does not drop a repeated message id), or was the runner killed before that (then there is nothing to
 * continue, and an agent that was told to would never hear the request), and which session had it.
 */
export class AttemptJournal {
  constructor(private readonly folder: string) {}

  /** The turn as it is to be run now; the attempt is written down as begun. */
  begin(turn: ClaimedTurn): ClaimedTurn {
    const last = this.#read();
    const ofTurn = last?.turnId === turn.turnId ? last : null;
    const mode = modeOf(turn, ofTurn);
    // A replay goes by the control plane's word alone: it knows which session is good, and up to where. Else what was written here is the newer word: it was, before it was told.
    const session = (mode === 'replay' ? null : ofTurn?.session) ?? turn.session;
    const note = ofTurn?.note ?? null;
    this.#write({ turnId: turn.turnId, attemptId: turn.attemptId, session, mode, given: false, note });
    return { ...turn, session, mode };
  }

  /** The agent named its session, before it was sent anything. */
  session({ turnId, attemptId, mode }: ClaimedTurn, session: string): void {
    const note = this.#read()?.note ?? null;
    this.#write({ turnId, attemptId, session, mode, given: true, note });
  }

  /** Adds what was found now, after `begin`, and answers all that the agent has to know: what an earlier attempt was told is cut off its session with the request, and is not found again. */
  note(found: string | null): string | null {
    const entry = this.#read();
    const known = entry?.note ?? null;
    if (!entry || found === null || found === known) return known ?? found;
    const note = known === null ? found : `${known} ${found}`;
    this.#write({ ...entry, note });
    return note;
  }

  #read(): Entry | null {
    try {
      return JSON.parse(readFileSync(join(this.folder, NAME), 'utf8')) as Entry;
    } catch {
      // No attempt yet, or the folder was lost with its machine: the control plane's word counts alone.
      return null;
    }
  }

  #write(entry: Entry): void {
    const path = join(this.folder, NAME);
    writeFileSync(`${path}.new`, JSON.stringify(entry), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/** `last`: the attempt before at the same turn, or this very one, as far as it is known here. The control plane knows of a killed runner only that its end is unknown. */
function modeOf(turn: ClaimedTurn, last: Entry | null): ClaimedTurn['mode'] {
  if (last?.given === false) return turn.mode === 'continue' ? last.mode : turn.mode;
  return last?.attemptId === turn.attemptId ? 'continue' : turn.mode;
}
