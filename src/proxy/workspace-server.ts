import { chmod, lstat, unlink } from 'node:fs/promises';
import { blockedSentence } from '../contracts/egress-sentences.js';
import { BerthError, causeFields } from '../kernel/index.js';
import { ConnectCall } from './egress/connect-call.js';
import { parseAbsoluteTarget } from './egress/connect-target.js';
import { GitCall } from './git-route.js';
import { answerHead, HttpEdge, type EdgeRequest } from './http-edge.js';
import { ModelCall } from './model-route.js';
import { plainFormat, textFormat, type RefusalFormat } from './refusal.js';
import { below } from './request-target.js';
import { upstreams } from './upstreams/index.js';
import type { Workspace } from './workspace.js';

/** The HTTP server of one workspace on its Unix socket. */
export class WorkspaceServer {
  readonly #edge: HttpEdge;

  constructor(
    private readonly workspace: Workspace,
    readonly socketPath: string,
  ) {
    const { limits, ids, log } = workspace.context;
    this.#edge = new HttpEdge({
      limits,
      ids,
      log: (level, fields, message) =>
        log[level]({ workspaceId: workspace.id, ...causeFields(workspace.cause), ...fields }, message),
      formatFor,
      route: (request) => this.#route(request),
      tunnel: (request, client, head) => void new ConnectCall(workspace, request, client, head).run(),
      elsewhere: (url, response) => {
        const blocked = parseAbsoluteTarget(url);
        if (!blocked) return null;
        workspace.blocked.tell(blocked);
        response.setHeader('x-berth-egress', blocked.reason);
        return { status: 403, message: blockedSentence(blocked) };
      },
    });
  }

  /** Opens the socket, in place of one that a former proxy left behind. Throws BerthError `bad-request` when the path cannot be used. */
  async listen(): Promise<void> {
    const max = this.workspace.context.limits.maxSocketPathBytes;
    const length = Buffer.byteLength(this.socketPath);
    if (length > max) {
      throw new BerthError(
        'bad-request',
        `The socket path has ${length} bytes and may have ${max}. Use a shorter data directory.`,
      );
    }
    await removeStale(this.socketPath);
    await this.#edge.listen({ path: this.socketPath });
    await chmod(this.socketPath, 0o600);
  }

  /** Closes the socket and every connection; calls under way are broken off. */
  close(): Promise<void> {
    // Tunnels are no connections of the HTTP server any more.
    this.workspace.tunnels.close();
    return this.#edge.close();
  }

  async #route(call: EdgeRequest): Promise<void> {
    const { workspace } = this;
    const { request, response, target } = call;
    if (below(target.path, '/git') !== null) return new GitCall(workspace, request, response).run(target);
    if (request.method === 'HEAD') {
      answerHead(response);
      return;
    }
    for (const adapter of Object.values(upstreams)) {
      const path = below(target.path, `/${adapter.name}`);
      if (path === null) continue;
      return new ModelCall(workspace, adapter, request, response).run({ path, query: target.query });
    }
    call.refuse({ status: 404, message: 'There is nothing at this address.' });
  }
}

/** The shape of errors for a target, also one that could not be read. */
function formatFor(url: string): RefusalFormat {
  const first = url.split(/[/?]/, 2)[1] ?? '';
  const adapter = Object.values(upstreams).find(({ name }) => name === first);
  // Who takes this for a proxy of the web (`http://elsewhere/…`) reads a sentence, as git does.
  const isText = first === 'git' || url.includes('://');
  return adapter?.formatRefusal ?? (isText ? textFormat : plainFormat);
}

/** Removes the socket file of a proxy that has ended. Anything else at that path is not ours to remove. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) {
    throw new BerthError(
      'bad-request',
      'There is a file in place of the socket. Remove it and start the workspace again.',
    );
  }
  await unlink(path);
}
