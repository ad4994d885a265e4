import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';

/*
 * A yardstick of the bench `proxy`, a program of its own: the barest proxy that Node's own client and server make. It puts the key on a request and passes the rest on; it leases, meters, holds and checks
 * nothing. Arguments: the upstream's address, and the value of the header.
 */
const [upstream = '', authorization = ''] = process.argv.slice(2);
const agent = new https.Agent({ keepAlive: true, maxSockets: 512 });

const server = http.createServer((request, response) => {
  const { host: _host, connection: _connection, 'x-api-key': _key, ...headers } = request.headers;
  const call = https.request(
    upstream + (request.url ?? ''),
    { method: request.method, headers: { ...headers, authorization }, agent },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  call.on('error', () => response.destroy());
  response.on('close', () => call.destroy());
  request.pipe(call);
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
