import type { TurnOutcome } from '../../contracts/runner.js';
import { sendLine, superviseAgent } from './agent-process.js';
import { ClaudeStream, type ClaudeEnd } from './claude-stream.js';
import { CONTINUE_TEXT, agentEnd, type AgentDriver, type AgentEnd, type AgentTurn } from './driver.js';
import { failed } from './failures.js';
import { ItemWriter } from './item-writer.js';
import { agentEnvironment, type DriverOptions } from './options.js';

/** The CLI headless, with JSON lines both ways (facts of CLI 2.1.197 and 2.1.330). */
const FLAGS = [
  '-p',
  ...['--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'],
  // Echoes our message; without it a message dropped as a duplicate leaves no trace at all.
  ...['--include-partial-messages', '--replay-user-messages', '--dangerously-skip-permissions'],
];

/**
 * For a tree of strangers (CLI 2.1.330): none of its hooks, settings, CLAUDE.md, skills, commands and agents is loaded, and no MCP server of it started. Its settings are left out on their own as well, since safe mode keeps
 * those of permissions and environment.
 */
const STRANGERS_FLAGS = ['--safe-mode', '--setting-sources', 'user', '--strict-mcp-config'];

/** One run of the CLI: which session, where it is cut before, and what is said. */
interface Run {
  session: string;
  resume: boolean;
  point: string | null;
  messageId: string;
  text: string;
}

interface RunEnd {
  end: ClaudeEnd;
  point: string | null;
}

/** Claude Code, one process per turn. */
export class ClaudeDriver implements AgentDriver {
  constructor(private readonly options: DriverOptions) {}

  async runTurn(turn: AgentTurn): Promise<AgentEnd> {
    const program = this.options.program;
    if (program === null) return agentEnd(failed('agent-missing', 'Claude'), null);
    let { end, point } = await this.#run(program, turn, this.#first(turn));
    const then = async (run: Run): Promise<void> =>
      void ({ end, point } = await this.#run(program, turn, run));
    // The place to cut is gone with its part of the transcript. The request is in the rest, and is not asked again.
    if (end.result === 'unknown-point') await then(this.#goOn(turn, turn.attemptId));
    // The transcript is gone (another disk): nothing of it can be repeated, so the request is asked anew, once.
    if (end.result === 'unknown-session') await then(this.#fresh(turn));
    // This very attempt was delivered before: its work may be half done. Go on, do not ask again.
    if (end.result === 'dropped') await then(this.#goOn(turn, this.options.ids.next()));
    return agentEnd(outcome(end, turn.signal), point);
  }

  #first(turn: AgentTurn): Run {
    const { session, point, mode } = turn;
    if (session === null) return this.#fresh(turn);
    if (mode === 'continue') return this.#goOn(turn, turn.attemptId);
    // A session in which nothing is good is not taken up again; the failed message stays in it.
    if (mode === 'replay' && point === null) return this.#fresh(turn);
    const cut = mode === 'replay' ? point : null;
    return { session, resume: true, point: cut, messageId: turn.attemptId, text: turn.text };
  }

  #fresh({ attemptId, text }: AgentTurn): Run {
    return { session: this.options.ids.next(), resume: false, point: null, messageId: attemptId, text };
  }

  #goOn({ session }: AgentTurn, messageId: string): Run {
    return { session: session ?? '', resume: true, point: null, messageId, text: CONTINUE_TEXT };
  }

  async #run(programPath: string, turn: AgentTurn, run: Run): Promise<RunEnd> {
    const { sandbox, timer, log, placeholder } = this.options;
    const program = sandbox.program(programPath);
    const writer = new ItemWriter(timer, turn.onItem);
    const stream = new ClaudeStream(writer, run.messageId);
    const process = sandbox.run({
      command: program.command,
      args: [
        ...program.args,
        ...FLAGS,
        ...(this.options.isOfStrangers ? STRANGERS_FLAGS : []),
        ...(this.options.instructions === null ? [] : ['--append-system-prompt', this.options.instructions]),
        '--model',
        turn.model,
        run.resume ? '--resume' : '--session-id',
        run.session,
        ...(run.point === null ? [] : ['--resume-session-at', run.point]),
      ],
      env: this.#environment(turn),
      binds: [...program.binds, ...this.options.binds],
      network: 'proxy',
      stdin: 'pipe',
    });
    // Told before the CLI writes it: resuming a session that never came to be is harmless, forgetting one that did is not.
    writer.session(run.session);
    sendLine(process, userMessage(run));
    await superviseAgent({
      process,
      signal: turn.signal,
      timer,
      log,
      clean: (text) => text.replaceAll(placeholder, '…'),
      onEvent: (event) => {
        stream.accept(event);
        // The process lives until its input ends (and then finishes its turn), so that it can be interrupted until here.
        if (stream.end !== null) process.stdin?.end();
      },
      interrupt: () => sendLine(process, interruptRequest),
    });
    writer.end();
    return { end: stream.end ?? failed('agent-crashed', 'Claude'), point: stream.point };
  }

  #environment(turn: AgentTurn): Record<string, string> {
    return {
      ...agentEnvironment(this.options, turn.author),
      ANTHROPIC_BASE_URL: `${this.options.sandbox.proxyUrl}/anthropic`,
      ANTHROPIC_AUTH_TOKEN: this.options.placeholder,
      // No calls past the base URL: telemetry, updates, titles.
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST: '1',
      DISABLE_AUTOUPDATER: '1',
    };
  }
}

const interruptRequest = {
  type: 'control_request',
  request_id: 'interrupt',
  request: { subtype: 'interrupt' },
};

function userMessage(run: Run): object {
  return {
    type: 'user',
    uuid: run.messageId,
    session_id: run.session,
    parent_tool_use_id: null,
    message: { role: 'user', content: [{ type: 'text', text: run.text }] },
  };
}

/** A turn that ended well while it was being canceled is completed; everything else that a signal ended is canceled. */
function outcome(end: ClaudeEnd, signal: AbortSignal): TurnOutcome {
  if (end.result === 'completed') return end;
  if (signal.aborted) return { result: 'canceled' };
  return 'code' in end || end.result === 'canceled' ? end : failed('agent-crashed', 'Claude');
}
