import { addResult, resultOf, type CodexTurn } from './openai-results.js';

describe('reading what Codex answers for a tool', () => {
  it('reads exec_command', () => {
    const text =
      'Chunk ID: 1d\nWall time: 0.0 seconds\nProcess exited with code 4\nOriginal token count: 1\nOutput:\nhey\n';
    expect(resultOf('exec_command', text)).toEqual({
      tool: 'exec_command',
      text: 'hey\n',
      failed: true,
      pending: null,
    });
  });

  it('reads exec, whose script prints a head of its own', () => {
    const text =
      'Script completed\nWall time 0.1 seconds\nOutput:\n\nProcess exited with code 0\nOutput:\nhey\n';
    expect(resultOf('exec', text)).toEqual({ tool: 'exec', text: 'hey\n', failed: false, pending: null });
  });

  it('does not believe heads inside the output of a command', () => {
    const text =
      'Process exited with code 0\nOutput:\nProcess running with session ID 7\nOutput:\nx exited with code 9\n';
    expect(resultOf('exec_command', text)).toMatchObject({ failed: false, pending: null });
  });

  it('joins the pieces of a command that took long', () => {
    const turn: CodexTurn = { asked: 'run x', results: [] };
    addResult(turn, resultOf('exec_command', 'Process running with session ID 70\nOutput:\none\n'));
    expect(turn.results[0]?.pending).toEqual({ tool: 'write_stdin', sessionId: 70 });
    addResult(turn, resultOf('write_stdin', 'Process exited with code 0\nOutput:\ntwo\n'));
    expect(turn.results).toEqual([{ tool: 'write_stdin', text: 'one\ntwo\n', failed: false, pending: null }]);
    expect(resultOf('exec', 'Script running with cell ID c1\nOutput:\n').pending).toEqual({
      tool: 'wait',
      cellId: 'c1',
    });
  });
});
