import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Harness } from '../testing/harness.js';
import { RecordingLog } from '../testing/recording-log.js';

/** Command lines and environments of all processes, and which could be read. */
function processTexts(): { pid: number; text: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const texts = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${name}/${file}`, 'latin1'));
        return [{ pid: Number(name), text: texts.join('\0') }];
      } catch {
        return [];
      }
    });
}

/** Names of the files below `directory` that hold `text`. */
async function filesWith(directory: string, text: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(
    files.map(async (file) => ((await readFile(file, 'latin1')).includes(text) ? [file] : [])),
  );
  return found.flat();
}

describe('secrets of a running workspace', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.make();
  });
  afterEach(() => harness.cleanUp());

  it('keeps the proxy token out of files, arguments, environments and the log, and the runner token in one file', async () => {
    const log = new RecordingLog();
    const runtime = await harness.openRuntime({ log });
    const request = harness.request();
    await runtime.start(request);
    const pid = await harness.runnerPid(request.workspaceId);

    expect(await filesWith(harness.directory, request.proxyToken)).toEqual([]);
    const files = harness.files(request.workspaceId);
    expect(await filesWith(harness.directory, request.runnerToken)).toEqual([files.runnerFile]);

    const seen = processTexts();
    // The search is worth something only if it sees the processes that count.
    expect(seen.map((each) => each.pid)).toEqual(expect.arrayContaining([pid, runtime.proxyPid]));
    for (const token of [request.proxyToken, request.runnerToken]) {
      expect(seen.filter(({ text }) => text.includes(token))).toEqual([]);
      expect(JSON.stringify(log.lines)).not.toContain(token);
    }

    await runtime.stop(request.workspaceId);
    expect(await filesWith(harness.directory, request.runnerToken)).toEqual([]);
  });

  it('keeps the tokens out of what is thrown and logged when the proxy says no', async () => {
    const log = new RecordingLog();
    await harness.standIns.planProxy({ refuse: true });
    const runtime = await harness.openRuntime({ log });
    const request = harness.request();
    const error: unknown = await runtime.start(request).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'runtime-failed' });
    const told = `${String(error)} ${JSON.stringify(error)} ${JSON.stringify(log.lines)}`;
    expect(told).not.toContain(request.proxyToken);
    expect(told).not.toContain(request.runnerToken);
  });
});
