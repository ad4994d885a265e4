import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';

/*
 * The model provider of the bench `proxy`, a program of its own: TLS on loopback, kept-alive connections, and answers that cost it as little as can be. `POST /v1/messages` is answered by what its query asks for:
 * nothing: 2 KB of JSON with its usage; `stream`: 40 server-sent events, one write each; `slow`: such a stream that goes on, an event every 250 ms, until its reader leaves.
 * A request without the real key is refused: what brings none has measured nothing. Arguments: the files of certificate and key, and the value of the header.
 */
const [certificate = '', key = '', expected = ''] = process.argv.slice(2);

const EVENTS = 40;
const SLOW_MS = 250;
const TEXT = 'word '.repeat(380);
const usage = {
  input_tokens: 25,
  output_tokens: 15,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-sonnet-4-6' };
const json = Buffer.from(JSON.stringify({ ...message, content: [{ type: 'text', text: TEXT }], usage }));

const event = (type: string, data: object): Buffer =>
  Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
const first = event('message_start', { message: { ...message, content: [], usage } });
const delta = event('content_block_delta', {
  index: 0,
  delta: { type: 'text_delta', text: 'another word or two' },
});
const last = [
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 15 } }),
  event('message_stop', {}),
];
const stream = [first, ...Array.from({ length: EVENTS - 1 - last.length }, () => delta), ...last];

const server = https.createServer(
  { cert: readFileSync(certificate), key: readFileSync(key), keepAlive: true, keepAliveTimeout: 600_000 },
  (request, response) => {
    request.resume().once('end', () => {
      const { authorization } = request.headers;
      if (authorization !== expected) return void response.writeHead(401).end();
      const query = request.url?.split('?', 2)[1] ?? '';
      if (query === '') {
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-length': json.length })
          .end(json);
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (query === 'stream') {
        for (const piece of stream) response.write(piece);
        response.end();
        return;
      }
      response.write(first);
      const timer = setInterval(() => response.write(delta), SLOW_MS);
      response.once('close', () => clearInterval(timer));
    });
  },
);
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
