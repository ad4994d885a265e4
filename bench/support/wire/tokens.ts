import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the token endpoint of the bench `proxy` gives. */
export const ACCESS_TOKEN = `sk-ant-oat01-${'b'.repeat(80)}`;

/** GitHub's and Anthropic's endpoints as short as they can be: an identity token for the asking, and an access token for that. They are asked once. */
export async function startTokens(): Promise<{ url: string; close: () => void }> {
  const server = http.createServer((request, response) => {
    const answer =
      request.method === 'GET'
        ? { value: 'header.payload.signature' }
        : { access_token: ACCESS_TOKEN, token_type: 'Bearer', expires_in: 3600 };
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
