import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimedTurn } from '../contracts/runner.js';

interface Entry {
  turnId: string;
  attemptId: string;
  session: string | null;
}

const NAME = 'attempt.json';

/**
 * The last attempt that was begun, kept in the runner's own folder. It answers what a crash leaves open: was this attempt already given to an agent
 * (then it is continued, never asked again; Codex does not drop a repeated message id), and which session had it.
 */
export class AttemptJournal {
  constructor(private readonly folder: string) {}

  /** The turn as it is to be run now; the attempt is written down as begun. */
  begin(turn: ClaimedTurn): ClaimedTurn {
    const last = this.#read();
    // A replay goes by the control plane's word alone: it knows which session is good, and up to where.
    const remembered = last?.turnId === turn.turnId && turn.mode !== 'replay' ? last.session : null;
    const session = turn.session ?? remembered;
    const mode = last?.attemptId === turn.attemptId ? 'continue' : turn.mode;
    this.#write({ turnId: turn.turnId, attemptId: turn.attemptId, session });
    return { ...turn, session, mode };
  }

  /** The agent named its session. */
  session(turn: ClaimedTurn, session: string): void {
    this.#write({ turnId: turn.turnId, attemptId: turn.attemptId, session });
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
