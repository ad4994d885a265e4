import { PassThrough } from 'node:stream';
import { RecordingLog } from '../testing/recording-log.js';
import { relayLine, relayLines } from './proxy-log.js';

describe('relaying the proxy’s lines', () => {
  it.each([
    [20, 'debug'],
    [30, 'info'],
    [40, 'warn'],
    [50, 'error'],
    [60, 'error'],
  ])('keeps pino’s level %d as %s, and its own fields', (level, expected) => {
    const log = new RecordingLog();
    relayLine(JSON.stringify({ level, time: 1, pid: 2, hostname: 'h', msg: 'hello', workspaceId: 'w' }), log);
    expect(log.lines).toEqual([
      { level: expected, fields: { process: 'proxy', workspaceId: 'w' }, message: 'hello' },
    ]);
  });

  it('warns about anything that is not a record', () => {
    const log = new RecordingLog();
    for (const line of ['Error: boom', '[1,2]', '"text"', '  ', '']) relayLine(line, log);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'warn', 'warn']);
  });

  it('puts lines together from pieces, and bounds what has no end', async () => {
    const log = new RecordingLog();
    const stream = new PassThrough();
    relayLines(stream, log);
    stream.write('{"level":30,"ms');
    stream.write('g":"one"}\nsecond\n');
    for (let i = 0; i < 40; i += 1) stream.write('x'.repeat(1000));
    stream.end('\nlast');
    await new Promise((resolve) => stream.once('close', resolve));
    expect(log.lines.map(({ message }) => message)).toEqual([
      'one',
      'proxy wrote',
      'proxy wrote',
      'proxy wrote',
    ]);
    expect(JSON.stringify(log.lines[2]).length).toBeLessThan(10_000);
    expect(log.lines[3]?.fields).toMatchObject({ line: 'last' });
  });
});
