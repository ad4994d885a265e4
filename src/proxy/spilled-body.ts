import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';

const OWNER_ONLY = 0o600;
const PIECE_BYTES = 64 * 1024;

/** A large request body in a file that has no name any more: nobody else opens it, and it goes with this process, however that ends. */
export class SpilledBody {
  #size = 0;

  private constructor(private readonly file: FileHandle) {}

  static async create(): Promise<SpilledBody> {
    const name = path.join(tmpdir(), `berth-body-${randomUUID()}`);
    const file = await open(name, 'wx+', OWNER_ONLY);
    await unlink(name);
    return new SpilledBody(file);
  }

  /** One at a time. Rejects when there is no room. */
  async append(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const { bytesWritten } = await this.file.write(chunk, at, chunk.length - at, this.#size);
      at += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  /** From its beginning; several may be read at once. */
  stream(): Readable {
    const stream = Readable.from(this.#pieces(), { objectMode: false });
    // undici listens only while a call runs; an error after it (the call was broken off, the file is closed) must not end the process of all workspaces.
    return stream.on('error', () => undefined);
  }

  /** Not by the file's own stream: that one closes the file when a send is broken off, and the next send has to read it. */
  async *#pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; ;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const { bytesRead } = await this.file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  async bytes(): Promise<Buffer> {
    const bytes = Buffer.alloc(this.#size);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await this.file.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0) throw new Error('A body in a file came to an early end.');
      at += bytesRead;
    }
    return bytes;
  }

  /** Waits for reads under way. */
  close(): void {
    this.file.close().catch(() => undefined);
  }
}
