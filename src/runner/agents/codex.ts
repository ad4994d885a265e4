import type { TurnOutcome } from '../../contracts/runner.js';
import type { Sandbox, SandboxProcess } from '../sandbox/sandbox.js';
import { sendLine, superviseAgent } from './agent-process.js';
import { CodexStream } from './codex-stream.js';
import { codexOpening } from './codex-opening.js';
import { CONTINUE_TEXT, agentEnd, type AgentDriver, type AgentEnd, type AgentTurn } from './driver.js';
import { failed } from './failures.js';
import { ItemWriter } from './item-writer.js';
import { fields, list, text, type Fields } from './json.js';
import { agentEnvironment, type DriverOptions } from './options.js';

/** Name of the environment variable that holds the placeholder. */
const KEY_VARIABLE = 'BERTH_PLACEHOLDER';
/** Codex waits for a lost connection without end (seen 200 s and more); a turn should not. */
const STALL_SECONDS = 120;
/** JSON-RPC ids of our requests. */
const INITIALIZE = 1;
const THREAD = 2;
const TURN = 3;
const INTERRUPT = 4;
const TURNS = 5;
const REVERT = 6;
/** Turns asked for at once when the last good one is looked for. It is one of the last. */
const TURNS_PAGE = 50;

/** `codex app-server` with a provider of our own: the built-in one ignores the base URL or wants a login file (facts of 0.169). */
function codexArguments({ proxyUrl, paths }: Sandbox, isOfStrangers: boolean): string[] {
  const provider = [
    'name="Berth"',
    `base_url="${proxyUrl}/openai/v1"`,
    `env_key="${KEY_VARIABLE}"`,
    'wire_api="responses"',
    'request_max_retries=3',
    'stream_max_retries=3',
  ];
  const settings = [
    'model_provider="berth"',
    `model_providers.berth={${provider.join(',')}}`,
    'analytics.enabled=false',
    // The model's shell does not need it, so it does not get it.
    `shell_environment_policy.exclude=["${KEY_VARIABLE}"]`,
    ...(isOfStrangers ? strangersSettings(paths.tree) : []),
  ];
  const off = isOfStrangers ? ['plugins', 'hooks'] : ['plugins'];
  return [
    'app-server',
    ...settings.flatMap((setting) => ['-c', setting]),
    ...off.flatMap((feature) => ['--disable', feature]),
  ];
}

/**
 * For a tree of strangers. A project counts as trusted where Codex may write, and then its `.codex` (settings, hooks, MCP servers) takes effect, unless it is said that it is not. AGENTS.md and the
 * skills of `.agents` are handed to the model from any project.
 */
function strangersSettings(tree: string): string[] {
  return [
    `projects={${JSON.stringify(tree)}={trust_level="untrusted"}}`,
    'project_doc_max_bytes=0',
    'skills.include_instructions=false',
  ];
}

/** Codex, one app-server process per turn. */
export class CodexDriver implements AgentDriver {
  constructor(private readonly options: DriverOptions) {}

  async runTurn(turn: AgentTurn): Promise<AgentEnd> {
    const { program, sandbox } = this.options;
    if (program === null) return agentEnd(failed('agent-missing', 'Codex'), null);
    const home = `${sandbox.paths.home}/.codex`;
    // Codex wants the folder to exist. Made inside, since a link in the agent's HOME may lead anywhere.
    await sandbox.run({
      command: 'mkdir',
      args: ['-p', '--', home],
      env: agentEnvironment(this.options, turn.author),
    }).exit;
    const run = new CodexRun(this.options, program, turn, home);
    const end = await run.run();
    const isCanceled = turn.signal.aborted && end.result !== 'completed';
    return agentEnd(isCanceled ? { result: 'canceled' } : end, run.turnId);
  }
}

/** The conversation with one app-server process: initialize, thread, turn, and its events. */
class CodexRun {
  readonly #writer: ItemWriter;
  readonly #stream: CodexStream;
  readonly #process: SandboxProcess;
  #thread = '';
  #resuming: boolean;
  /** Turns of the thread after the last good one, newest first, as far as they are known. */
  readonly #after: string[] = [];
  #failure: TurnOutcome | null = null;
  #cancelStall: (() => void) | null = null;

  constructor(
    private readonly options: DriverOptions,
    program: string,
    private readonly turn: AgentTurn,
    home: string,
  ) {
    const { sandbox } = options;
    this.#writer = new ItemWriter(options.timer, turn.onItem);
    this.#stream = new CodexStream(this.#writer);
    // A thread in which nothing is good is not taken up again; the failed request stays in it.
    this.#resuming = turn.session !== null && !(turn.mode === 'replay' && turn.point === null);
    const { command, args, binds } = sandbox.program(program);
    this.#process = sandbox.run({
      command,
      args: [...args, ...codexArguments(sandbox, options.isOfStrangers)],
      env: {
        ...agentEnvironment(options, turn.author),
        CODEX_HOME: home,
        [KEY_VARIABLE]: options.placeholder,
      },
      binds: [...binds, ...options.binds],
      network: 'proxy',
      stdin: 'pipe',
    });
  }

  /** The turn that was begun, if any. */
  get turnId(): string | null {
    return this.#stream.turnId;
  }

  async run(): Promise<TurnOutcome> {
    const { timer, log, placeholder } = this.options;
    const clientInfo = { name: 'berth', title: 'Berth', version: '0.1.0' };
    this.#request(INITIALIZE, 'initialize', { clientInfo, capabilities: null });
    await superviseAgent({
      process: this.#process,
      signal: this.turn.signal,
      timer,
      log,
      clean: (line) => line.replaceAll(placeholder, '…'),
      onEvent: (message) => this.#accept(message),
      interrupt: () => this.#interrupt(),
    });
    this.#cancelStall?.();
    this.#writer.end();
    return this.#failure ?? this.#stream.end ?? failed('agent-crashed', 'Codex');
  }

  #request(id: number, method: string, params: object): void {
    sendLine(this.#process, { id, method, params });
  }

  #accept(message: Fields): void {
    const method = text(message.method);
    if (method === '') this.#answered(message);
    else if (message.id !== undefined) this.#asked(message.id);
    else this.#notified(method, fields(message.params));
    if (this.#stream.end !== null || this.#failure !== null) this.#process.stdin?.end();
  }

  /** The app-server asks us something (an approval). With `never` and full access it has no reason to; nobody is here to answer. */
  #asked(id: unknown): void {
    sendLine(this.#process, { id, error: { code: -32601, message: 'Nobody can answer here.' } });
  }

  #answered(message: Fields): void {
    if (message.error !== undefined) {
      this.#refused(message.id, fields(message.error));
      return;
    }
    const result = fields(message.result);
    switch (message.id) {
      case INITIALIZE:
        sendLine(this.#process, { method: 'initialized' });
        this.#openThread();
        break;
      case THREAD:
        this.#thread = text(fields(result.thread).id);
        this.#writer.session(this.#thread);
        if (this.#resuming && this.turn.mode !== 'start') this.#listTurns(null);
        else this.#startTurn('request');
        break;
      case TURNS:
        this.#listed(result);
        break;
      case REVERT:
        this.#startTurn('request');
        break;
      case TURN:
        this.#stream.turnId ??= text(fields(result.turn).id);
        if (this.turn.signal.aborted) this.#interrupt();
        break;
    }
  }

  #refused(request: unknown, { code }: Fields): void {
    if (request === THREAD && this.#resuming) {
      // The thread is gone (another disk): ask anew in a fresh one, once.
      this.#resuming = false;
      this.#openThread();
    } else if (request !== INTERRUPT) {
      this.options.log.error({ request, code }, 'codex refused a request');
      this.#failure = failed('agent-crashed', 'Codex');
    }
  }

  #openThread(): void {
    const { model, session } = this.turn;
    const place = {
      model,
      modelProvider: 'berth',
      cwd: this.options.sandbox.paths.tree,
      // The whole process is in a sandbox already; its own would hide what the work needs.
      approvalPolicy: 'never',
      sandbox: 'danger-full-access',
      developerInstructions: this.options.instructions,
    };
    if (this.#resuming)
      this.#request(THREAD, 'thread/resume', { threadId: session, excludeTurns: true, ...place });
    else this.#request(THREAD, 'thread/start', place);
  }

  #listTurns(cursor: string | null): void {
    const page = { limit: TURNS_PAGE, sortDirection: 'desc', itemsView: 'notLoaded', cursor };
    this.#request(TURNS, 'thread/turns/list', { threadId: this.#thread, ...page });
  }

  /** Looks for the last good turn, a page at a time, and begins when it is found, or not there. */
  #listed({ data, nextCursor }: Fields): void {
    const { point } = this.turn;
    const ids = list(data).map((turn) => text(turn.id));
    const at = point === null ? -1 : ids.indexOf(point);
    this.#after.push(...(at === -1 ? ids : ids.slice(0, at)));
    if (at === -1 && text(nextCursor) !== '') {
      this.#listTurns(text(nextCursor));
      return;
    }
    const opening = codexOpening(this.turn, at !== -1 || point === null ? this.#after : null);
    if (opening.revertBefore === null) this.#startTurn(opening.say);
    else
      this.#request(REVERT, 'thread/revert', {
        threadId: this.#thread,
        beforeTurnId: opening.revertBefore,
      });
  }

  #startTurn(say: 'request' | 'continue'): void {
    const said = say === 'continue' ? CONTINUE_TEXT : this.turn.text;
    this.#request(TURN, 'turn/start', {
      threadId: this.#thread,
      clientUserMessageId: this.turn.attemptId,
      input: [{ type: 'text', text: said, text_elements: [] }],
    });
  }

  #notified(method: string, params: Fields): void {
    if (text(params.threadId) !== this.#thread) return;
    this.#stream.accept(method, params);
    if (!this.#stream.retrying) {
      this.#cancelStall?.();
      this.#cancelStall = null;
      return;
    }
    this.#cancelStall ??= this.options.timer.after(STALL_SECONDS * 1000, () => {
      this.#failure = failed('network', 'Codex');
      this.#interrupt();
      this.#process.stdin?.end();
    });
  }

  #interrupt(): void {
    const { turnId } = this.#stream;
    if (turnId !== null) this.#request(INTERRUPT, 'turn/interrupt', { threadId: this.#thread, turnId });
    // Not begun yet: nothing to save, and closing the input ends it.
    else if (this.#thread === '') this.#process.stdin?.end();
  }
}
