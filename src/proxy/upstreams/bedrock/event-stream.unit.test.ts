import { chunkFrame, eventFrame, exceptionFrame } from '../../../../test/emulators/event-frames.js';
import { EventStreamTranslation } from './event-stream.js';

const START = { type: 'message_start', message: { id: 'msg_1', usage: { input_tokens: 3 } } };
const TEXT = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße\n\n☃' } };
const STOP = { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 3 } };
const sse = (event: { type: string }): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
const EXPECTED = sse(START) + sse(TEXT) + sse({ type: 'message_stop' });

const translation = (): EventStreamTranslation => new EventStreamTranslation(['the-secret']);

describe('an event stream', () => {
  const bytes = Buffer.concat([START, TEXT, STOP].map(chunkFrame));

  it.each([1, 2, 3, 7, 50, 10_000])('in pieces of %i bytes becomes the same events', (size) => {
    const stream = translation();
    let told = '';
    for (let at = 0; at < bytes.length; at += size) told += stream.push(bytes.subarray(at, at + size));
    expect(told).toBe(EXPECTED);
    expect(stream.isWhole).toBe(true);
  });

  it('tells each event with the byte that ends it', () => {
    const stream = translation();
    const frame = chunkFrame(TEXT);
    expect(stream.push(frame.subarray(0, -1))).toBe('');
    expect(stream.isWhole).toBe(false);
    expect(stream.push(frame.subarray(-1))).toBe(sse(TEXT));
  });

  it.each([
    ['an exception', exceptionFrame('throttlingException', 'Too many tokens'), 'Too many tokens'],
    [
      'an exception that repeats a secret',
      exceptionFrame('x', 'of the-secret'),
      'AWS Bedrock told of an error.',
    ],
    [
      'an error',
      eventFrame({ ':message-type': 'error', ':error-code': 'x', ':error-message': 'Oh' }, ''),
      'Oh',
    ],
  ])('tells %s', (_, frame, message) => {
    const error = { type: 'error', error: { type: 'api_error', message } };
    expect(translation().push(frame)).toBe(sse(error));
  });

  it('passes over events that it does not know', () => {
    const headers = { ':message-type': 'event', ':event-type': 'initial-response' };
    expect(translation().push(Buffer.concat([eventFrame(headers, '{}'), chunkFrame(START)]))).toBe(
      sse(START),
    );
  });

  it.each([0, 5, 9, 13, 40, -1])('with a damaged byte %i is none', (at) => {
    const frame = chunkFrame(TEXT);
    const place = at < 0 ? frame.length + at : at;
    frame.writeUInt8(frame.readUInt8(place) ^ 1, place);
    expect(() => translation().push(frame)).toThrow();
  });

  it.each([
    [
      'what is no event',
      eventFrame({ ':message-type': 'event', ':event-type': 'chunk' }, '{"bytes":"e30="}'),
    ],
    ['a name that ends its line', chunkFrame({ type: 'x\ndata: y' })],
    ['text', Buffer.from('event: message_start\n\n')],
    ['a length of nothing', Buffer.alloc(16)],
    ['a length beyond all bounds', Buffer.alloc(16, 0xff)],
  ])('of %s is none', (_, bytes) => {
    expect(() => translation().push(bytes)).toThrow();
  });
});
