import { once } from 'node:events';
import http from 'node:http';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { textOf } from './http.js';

export interface ConnectAnswer {
  status: number;
  /** Of the status line. */
  reason: string;
  headers: http.IncomingHttpHeaders;
  body: string;
  /** Open after a 200. */
  socket: Socket;
}

/** Asks a workspace's socket for a tunnel. */
export function connect(socketPath: string, authority: string): Promise<ConnectAnswer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, agent: false, method: 'CONNECT', path: authority });
    request.once('error', reject);
    request.once('connect', (response, socket: Socket, head) => {
      const answer = {
        status: response.statusCode ?? 0,
        reason: response.statusMessage ?? '',
        headers: response.headers,
        socket,
      };
      if (response.statusCode === 200) return resolve({ ...answer, body: '' });
      // The body of a refused CONNECT is what follows on the connection.
      socket.unshift(head);
      textOf(socket).then((body) => resolve({ ...answer, body }), reject);
    });
    request.end();
  });
}

/** TLS within a tunnel. Rejects with what the other side said instead. */
export async function secure(socket: Socket, serverName: string, ca: string): Promise<tls.TLSSocket> {
  const secured = tls.connect({ socket, servername: serverName, ca });
  await once(secured, 'secureConnect');
  return secured;
}

/** Asks for a path through a tunnel, and answers the whole answer. */
export async function fetchThrough(secured: tls.TLSSocket, host: string, path = '/'): Promise<string> {
  secured.end(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  return textOf(secured);
}
