import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { type RunnerFile, runnerFileSchema } from '../../contracts/runner.js';
import { isAbsent } from './failures.js';

/** Which process a runner is. A pid alone is used again by the kernel; pid and start time together are not. */
export const runnerPidSchema = z.object({
  pid: z.int().positive(),
  /** Field 22 of `/proc/<pid>/stat` (proc(5)): clock ticks since boot, as text. */
  startTime: z.string(),
});
export type RunnerPid = z.infer<typeof runnerPidSchema>;

/** Writes JSON with mode 0600 so that a reader, or a crash, sees the old content or the new one and nothing between. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const partial = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(partial, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** What the file says, or null when it is not there or is not what it should be (it is then written anew). */
async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export const writeRunnerFile = (path: string, file: RunnerFile): Promise<void> =>
  writeJson(path, runnerFileSchema.parse(file));
export const readRunnerFile = (path: string): Promise<RunnerFile | null> => readJson(path, runnerFileSchema);
export const writeRunnerPid = (path: string, pid: RunnerPid): Promise<void> => writeJson(path, pid);
export const readRunnerPid = (path: string): Promise<RunnerPid | null> => readJson(path, runnerPidSchema);
