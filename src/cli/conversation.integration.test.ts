import { BerthServer, newId, problem } from './testing/berth-server.js';
import { testCli, until } from './testing/test-cli.js';
import type { TestCli } from './testing/test-cli.js';
import type { Message } from './wire.js';

const key = 'berth_0123456789abcdefSECRET';
const id = newId(1);
let server: BerthServer;
let cli: TestCli;
beforeEach(async () => {
  server = new BerthServer(key);
  server.workspaces.push({ id, state: 'running' });
  cli = testCli(await server.listen(), key);
});
afterEach(async () => {
  cli.stop.abort();
  await server.close();
});

/** Ends a turn as the contract says: the answer is stored no later than the final state. */
function finish(message: Message, state: string, answer?: string): void {
  if (answer !== undefined) {
    const { id: messageId } = server.addMessage('agent', answer, 'completed');
    server.emit('message.state', { messageId, state: 'completed', inReplyTo: message.id });
  }
  message.state = state;
  server.emit('message.state', { messageId: message.id, state });
}

describe('send', () => {
  it('posts the words as one text and says what became of it', async () => {
    expect(await cli.run('workspaces', 'send', '00000001', 'fix', 'the', 'bug')).toBe(0);
    expect(server.messages[0]).toMatchObject({ text: 'fix the bug' });
    expect(cli.out).toBe('message 1 is queued\n');
  });

  it('takes "-" for standard input, and --json', async () => {
    const piped = testCli((await cli.context.connection({})).url, key, {
      readInput: () => Promise.resolve('two\nlines\n'),
    });
    expect(await piped.run('workspaces', 'send', id, '-', '--json')).toBe(0);
    expect(JSON.parse(piped.out)).toEqual(server.messages[0]);
    expect(server.messages[0]?.text).toBe('two\nlines\n');
  });

  it('with --follow prints the answer of its own turn as it streams', async () => {
    server.addMessage('user', 'earlier', 'completed');
    for (const text of ['old ', 'answer']) server.emit('agent.text', { text });
    server.onMessage = (message) => {
      server.emit('agent.text', { messageId: newId(99), text: "another turn's" });
      server.emit('message.state', { messageId: message.id, state: 'running' });
      server.emit('agent.text', { messageId: message.id, text: 'Hello\u001b[2J ' });
      server.emit('authentication.state', { agent: 'claude', message: 'Re-authenticating Claude' });
    };
    const done = cli.run('workspaces', 'send', id, 'hi', '--follow');
    await until(() => cli.out !== '', 'the first text is printed before the turn ends');
    expect(cli.out).toBe('Hello[2J ');
    server.emit('agent.text', { messageId: server.messages[1]?.id, text: 'world' });
    const mine = server.messages[1];
    if (mine) finish(mine, 'completed', 'Hello world');
    expect(await done).toBe(0);
    expect(cli.out).toBe('Hello[2J world\n');
    // In the middle of the answer's line: the note takes a line of its own.
    expect(cli.err).toBe('Waiting for the answer\n\nberth: Re-authenticating Claude\n');
  });

  it('with --follow prints the answer of a turn that ended before anyone listened', async () => {
    server.onMessage = (message) => finish(message, 'completed', 'Quick.');
    expect(await cli.run('workspaces', 'send', id, 'hi', '--follow')).toBe(0);
    expect(cli.out).toBe('Quick.\n');
  });

  it('with --follow --json tells its own answer from that of the next turn', async () => {
    let opened = false;
    server.onStream = () => (opened = true);
    const done = cli.run('workspaces', 'send', id, 'hi', '--follow', '--json');
    await until(() => opened, 'the stream is open');
    // Announced at once, read later: by then the next turn is answered too.
    const { id: messageId } = server.addMessage('agent', 'mine', 'completed');
    server.addMessage('agent', 'of the next turn', 'completed');
    Object.assign(server.messages[0] ?? {}, { state: 'completed' });
    server.emit('message.state', { messageId, state: 'completed', inReplyTo: server.messages[0]?.id });
    server.emit('message.state', { messageId: server.messages[0]?.id, state: 'completed' });
    expect(await done).toBe(0);
    expect(JSON.parse(cli.out)).toMatchObject({ answer: { text: 'mine' } });
  });

  it('with --follow survives a cut in the middle of the answer', async () => {
    let streams = 0;
    server.onStream = () => streams++;
    server.onMessage = (message) => server.emit('agent.text', { messageId: message.id, text: 'one ' });
    const done = cli.run('workspaces', 'send', id, 'hi', '--follow');
    await until(() => cli.out === 'one ', 'the first text');
    server.cutStreams();
    const mine = server.messages[0];
    server.emit('agent.text', { messageId: mine?.id, text: 'two' });
    if (mine) finish(mine, 'completed', 'one two');
    expect(await done).toBe(0);
    expect(cli.out).toBe('one two\n');
    expect(streams).toBe(2);
  });

  it('with --follow ends with exit code 7 when the turn fails or is canceled', async () => {
    server.onMessage = (message) => {
      message.error = { code: 'agent-quota', message: 'The plan is used up until 12:00.' };
      finish(message, 'failed');
    };
    expect(await cli.run('workspaces', 'send', id, 'hi', '--follow')).toBe(7);
    expect(cli.err).toBe(
      'Waiting for the answer\nberth: The turn failed: The plan is used up until 12:00.\n',
    );
    server.onMessage = (message) => finish(message, 'canceled');
    cli.err = '';
    expect(await cli.run('workspaces', 'send', id, 'hi', '--follow')).toBe(7);
    expect(cli.err).toBe('berth: The turn was canceled.\n');
  });

  it('with --follow ends with exit code 7 when the workspace fails under the turn', async () => {
    server.onStream = () => {
      Object.assign(server.workspaces[0] ?? {}, { state: 'failed', stateReason: 'The disk is full.' });
      server.emit('workspace.state', { state: 'failed' });
    };
    expect(await cli.run('workspaces', 'send', id, 'hi', '--follow')).toBe(7);
    expect(cli.err).toBe('Waiting for the answer\nberth: The workspace is failed: The disk is full.\n');
  });

  it('with --follow --json prints message and answer and nothing else', async () => {
    server.onMessage = (message) => finish(message, 'completed', 'Done.');
    expect(await cli.run('workspaces', 'send', id, 'hi', '--follow', '--json')).toBe(0);
    expect(JSON.parse(cli.out)).toEqual({ message: server.messages[0], answer: server.messages[1] });
  });
});

describe('logs', () => {
  beforeEach(() => {
    for (let n = 1; n <= 5; n++) server.emit('agent.text', { text: `piece ${n}` });
  });
  const numbers = () =>
    cli.out
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { seq: number }).seq);

  it('prints every stored event and ends', async () => {
    expect(await cli.run('workspaces', 'logs', id)).toBe(0);
    expect(cli.out.split('\n')).toHaveLength(6);
    expect(cli.out).toContain('2026-01-02T03:04:05Z  agent.text            piece 5\n');
  });

  it('prints those after a number, as JSON', async () => {
    expect(await cli.run('workspaces', 'logs', id, '--after', '2', '--json')).toBe(0);
    expect(numbers()).toEqual([3, 4, 5]);
  });

  it('with -f goes on over cut and ended connections, without gap or repeat', async () => {
    const asked: number[] = [];
    server.onStream = (after) => asked.push(after);
    const done = cli.run('workspaces', 'logs', id, '-f', '--json', '--after', '1');
    await until(() => numbers().length === 4, 'the stored events');
    server.cutStreams();
    server.emit('agent.text', { text: 'while away' });
    await until(() => numbers().length === 5, 'what happened while away');
    server.endStreams();
    server.emit('agent.text', { text: 'after a restart' });
    await until(() => numbers().length === 6, 'what came after the restart');
    server.intercept = (request, response) => {
      if (request.headers.accept !== 'text/event-stream') return false;
      problem(response, 404, 'not-found', 'The workspace is deleted.');
      return true;
    };
    server.endStreams();
    expect(await done).toBe(4);
    expect(numbers()).toEqual([2, 3, 4, 5, 6, 7]);
    expect(asked).toEqual([1, 5, 6]);
    expect(
      server.seen
        .filter(({ headers }) => headers['last-event-id'])
        .map(({ headers }) => headers['last-event-id']),
    ).toEqual(['1', '5', '6', '7']);
  });
});
