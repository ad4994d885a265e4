import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A package to publish. */
export interface TestPackage {
  name: string;
  version: string;
  manifest?: object;
  /** Path to content; all are executable. */
  files: Record<string, string>;
}

/** An npm registry with a few packages, for the real npm client. */
export class NpmRegistry {
  readonly requests: string[] = [];
  readonly #documents = new Map<string, object>();
  readonly #archives = new Map<string, Buffer>();
  readonly #server: Server;
  #url = '';

  constructor(private readonly folder: string) {
    this.#server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '').slice(1);
      this.requests.push(path);
      const body = this.#archives.get(path) ?? this.#documents.get(path);
      response.statusCode = body === undefined ? 404 : 200;
      response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body ?? { error: 'not found' }));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this.#url;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Publishes a package; the last version of a name is the only one. */
  async publish({ name, version, manifest, files }: TestPackage): Promise<void> {
    const root = join(this.folder, `${name.replaceAll('/', '_')}-${version}`);
    const full = { ...manifest, name, version };
    for (const [path, content] of Object.entries({ ...files, 'package.json': JSON.stringify(full) })) {
      const file = join(root, 'package', path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      await chmod(file, 0o755);
    }
    await run('tar', ['czf', `${root}.tgz`, '-C', root, 'package']);
    const archive = await readFile(`${root}.tgz`);
    const path = `archives/${name}-${version}.tgz`;
    this.#archives.set(path, archive);
    const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
    const dist = { tarball: `${this.#url}/${path}`, integrity };
    this.#documents.set(name, {
      name,
      'dist-tags': { latest: version },
      versions: { [version]: { ...full, dist } },
    });
  }
}
