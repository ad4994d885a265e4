import type { TurnOutcome } from '../../contracts/runner.js';
import { sendLine, superviseAgent } from './agent-process.js';
import { ClaudeStream, type ClaudeEnd } from './claude-stream.js';
import { CONTINUE_TEXT, type AgentDriver, type AgentTurn } from './driver.js';
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

/** One run of the CLI: which session, and what is said. */
interface Run {
  session: string;
  resume: boolean;
  messageId: string;
  text: string;
}

/** Claude Code, one process per turn. */
export class ClaudeDriver implements AgentDriver {
  constructor(private readonly options: DriverOptions) {}

  async runTurn(turn: AgentTurn): Promise<TurnOutcome> {
    const program = this.options.program;
    if (program === null) return failed('agent-missing', 'Claude');
    const fresh = (): Run => ({
      session: this.options.ids.next(),
      resume: false,
      messageId: turn.attemptId,
      text: turn.text,
    });
    const { session } = turn;
    if (session === null) return outcome(await this.#run(program, turn, fresh()), turn.signal);
    const asked = turn.mode === 'continue' ? CONTINUE_TEXT : turn.text;
    let end = await this.#run(program, turn, {
      session,
      resume: true,
      messageId: turn.attemptId,
      text: asked,
    });
    // The transcript is gone (another disk): nothing of it can be repeated, so the request is asked anew, once.
    if (end.result === 'unknown-session') end = await this.#run(program, turn, fresh());
    // This very attempt was delivered before: its work may be half done. Go on, do not ask again.
    if (end.result === 'dropped') {
      end = await this.#run(program, turn, {
        session,
        resume: true,
        messageId: this.options.ids.next(),
        text: CONTINUE_TEXT,
      });
    }
    return outcome(end, turn.signal);
  }

  async #run(programPath: string, turn: AgentTurn, run: Run): Promise<ClaudeEnd> {
    const { sandbox, timer, log, placeholder } = this.options;
    const program = sandbox.program(programPath);
    const writer = new ItemWriter(timer, turn.onItem);
    const stream = new ClaudeStream(writer, run.messageId);
    const process = sandbox.run({
      command: program.command,
      args: [
        ...program.args,
        ...FLAGS,
        '--model',
        turn.model,
        run.resume ? '--resume' : '--session-id',
        run.session,
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
    return stream.end ?? failed('agent-crashed', 'Claude');
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
  if (end.result === 'unknown-session' || end.result === 'dropped') return failed('agent-crashed', 'Claude');
  return end;
}
