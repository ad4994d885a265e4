import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { bundle, bundleAlone } from '../../../scripts/bundle.js';
import { runnerPaths } from '../../contracts/runner.js';
import type { RuntimeStart } from '../runtime.js';
import { eventually, Harness, isAlive } from '../testing/harness.js';
import { readRunnerPid } from './runner-file.js';
import { familyOf } from './family.js';
import { readProcess, scanProcesses } from './processes.js';

const run = promisify(execFile);

/** The real runner and proxy, built as `npm run build` does it, outside the checkout. */
async function compile(directory: string): Promise<{ runnerEntry: string; proxyEntry: string }> {
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  await Promise.all([
    bundle(directory, ['runner/main', 'proxy/main']),
    bundleAlone(directory, 'runner/inside/forwarder'),
  ]);
  return {
    runnerEntry: join(directory, 'runner', 'main.js'),
    proxyEntry: join(directory, 'proxy', 'main.js'),
  };
}

/** A control plane that knows one workspace: it greets the runner, has no turn for it, and takes its reports. */
class ControlPlane {
  readonly items: { type: string }[] = [];
  readonly tokens = new Set<string>();
  readonly calls: string[] = [];
  private readonly server: Server;

  constructor(private readonly assignment: object) {
    this.server = createServer((request, response) => {
      void text(request).then((body) => {
        this.calls.push(request.url ?? '');
        this.tokens.add(request.headers.authorization ?? '');
        const answer = this.answer(request.url ?? '', JSON.parse(body) as { items?: { type: string }[] });
        // Long polls stay open until the server closes them; a test needs no answer to them.
        if (answer === null) return;
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(answer));
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private answer(url: string, body: { items?: { type: string; n?: number }[] }): object | null {
    if (url === runnerPaths.hello) return this.assignment;
    if (url !== runnerPaths.report) return null;
    this.items.push(...(body.items ?? []));
    return { acknowledged: body.items?.at(-1)?.n ?? 0, retryAfterSeconds: 0 };
  }
}

/** Asks the real proxy on a socket; the status it answers. */
function ask(socketPath: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method: 'POST' }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end('{}');
  });
}

describe('the real runner and proxy', () => {
  let harness: Harness;
  let controlPlane: ControlPlane;
  let request: RuntimeStart;
  let entries: { runnerEntry: string; proxyEntry: string };
  let compiled: string;

  beforeAll(async () => {
    compiled = await mkdtemp(join(tmpdir(), 'berth-compiled-'));
    entries = await compile(compiled);
  });
  afterAll(() => rm(compiled, { recursive: true }));

  beforeEach(async () => {
    harness = await Harness.make();
    const repository = join(harness.directory, 'repository.git');
    await run('git', ['init', '--bare', '--initial-branch=main', repository]);
    request = {
      ...harness.request(),
      repository: { type: 'file', url: `file://${repository}`, path: repository },
      git: null,
    };
    controlPlane = new ControlPlane({
      workspaceId: request.workspaceId,
      repository: request.repository,
      ref: null,
      branch: 'berth/12345678',
      fallbackBranch: null,
      readOnly: false,
      instructions: null,
      agent: 'claude',
      model: 'some-model',
    });
  });
  afterEach(async () => {
    await harness.cleanUp();
    await controlPlane.close();
  });

  it.each(['required', 'off'] as const)(
    'work together (sandbox %s): prepared, adopted, stopped',
    async (sandboxMode) => {
      const url = await controlPlane.listen();
      const runtime = await harness.openRuntime({ ...entries, sandboxMode, internalUrl: () => url });
      expect(await runtime.start(request)).toEqual({ adopted: false });

      await eventually('the tree is prepared', () =>
        controlPlane.items.some(({ type }) => type === 'workspace.prepared'),
      );
      expect([...controlPlane.tokens]).toEqual([`Bearer ${request.runnerToken}`]);
      const files = harness.files(request.workspaceId);
      expect(existsSync(join(files.tree, '.git'))).toBe(true);

      // Without the placeholder nobody gets through: the answer is the real proxy's own.
      const socket = harness.socket(request.workspaceId);
      expect(await ask(socket, '/anthropic/v1/messages')).toBe(401);
      expect(await runtime.start(request)).toEqual({ adopted: true });
      expect(await ask(socket, '/anthropic/v1/messages')).toBe(401);

      const pid = (await readRunnerPid(files.pidFile))?.pid ?? 0;
      const runner = readProcess(pid);
      if (runner === null) throw new Error('the runner does not live');
      const none = { pids: new Set<number>(), groups: new Set<number>(), sessions: new Set<number>() };
      const family = familyOf(scanProcesses(), [runner], none).map((info) => info.pid);
      await runtime.stop(request.workspaceId);
      expect(family.filter(isAlive)).toEqual([]);
      expect(await runtime.inspect(request.workspaceId)).toBe('stopped');
      await expect(ask(socket, '/anthropic/v1/messages')).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});
