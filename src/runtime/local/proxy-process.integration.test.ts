import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Secret, systemIds } from '../../kernel/index.js';
import { askRoute, eventually, Harness, isAlive, routeWhere } from '../testing/harness.js';
import { RecordingLog } from '../testing/recording-log.js';
import { ProxyProcess, type ProxyRoute } from './proxy-process.js';

describe('ProxyProcess', () => {
  let harness: Harness;
  let log: RecordingLog;
  let proxy: ProxyProcess;
  let internalUrl: string;

  beforeEach(async () => {
    harness = await Harness.make();
    log = new RecordingLog();
    internalUrl = 'http://127.0.0.1:1001';
    proxy = make(harness.standIns.proxyEntry);
  });
  afterEach(async () => {
    await proxy.stop();
    await harness.cleanUp();
  });

  function make(entry: string, answerSeconds = 10): ProxyProcess {
    return new ProxyProcess({
      program: { nodeBinary: process.execPath, entry, path: '/usr/bin:/bin' },
      configuration: () => ({
        internalUrl,
        anthropicUrl: 'http://127.0.0.1:9',
        openaiUrl: 'http://127.0.0.1:9',
        chatgptUrl: 'http://127.0.0.1:9',
        bedrockUrl: 'http://127.0.0.1:9',
        bedrockModels: {},
      }),
      ids: systemIds,
      log,
      answerSeconds,
    });
  }

  async function route(name: string): Promise<ProxyRoute> {
    const socketPath = join(harness.directory, name, 's');
    await mkdir(dirname(socketPath));
    return {
      workspaceId: systemIds.next(),
      socketPath,
      placeholder: `placeholder-${name}`,
      proxyToken: new Secret(`token-${name}`),
      git: null,
    };
  }

  const notes = (): string[] =>
    existsSync(harness.standIns.proxyNotes)
      ? readFileSync(harness.standIns.proxyNotes, 'utf8').trim().split('\n')
      : [];

  it('opens, replaces and closes a route', async () => {
    await proxy.start();
    const one = await route('a');
    await proxy.open(one);
    expect((await askRoute(one.socketPath))?.placeholder).toBe('placeholder-a');
    await proxy.open({ ...one, placeholder: 'placeholder-b' });
    expect((await askRoute(one.socketPath))?.placeholder).toBe('placeholder-b');
    await proxy.close(one.workspaceId);
    expect(await askRoute(one.socketPath)).toBeNull();
  });

  it('is started again each time it is killed, asks for its configuration anew, and reopens open routes only', async () => {
    await proxy.start();
    const [kept, closed] = [await route('kept'), await route('closed')];
    await proxy.open(kept);
    await proxy.open(closed);
    await proxy.close(closed.workspaceId);
    for (const port of [1002, 1003]) {
      internalUrl = `http://127.0.0.1:${port}`;
      const killed = proxy.pid ?? 0;
      process.kill(killed, 'SIGKILL');
      const told = await routeWhere(kept.socketPath, ({ pid }) => pid !== killed);
      expect(told.configuration.internalUrl).toBe(internalUrl);
      expect(await askRoute(closed.socketPath)).toBeNull();
    }
  });

  it('carries a request over a death of the process', async () => {
    await proxy.start();
    await harness.standIns.planProxy({ hang: true });
    const first = proxy.pid ?? 0;
    process.kill(first, 'SIGKILL');
    const one = await route('a');
    const opening = proxy.open(one);
    await eventually('the hanging proxy was asked', () => notes().includes(`open ${one.workspaceId}`));
    await harness.standIns.planProxy({});
    process.kill(proxy.pid ?? 0, 'SIGKILL');
    await opening;
    expect((await askRoute(one.socketPath))?.placeholder).toBe('placeholder-a');
  });

  it('tells what the proxy refused, and forgets that route', async () => {
    await harness.standIns.planProxy({ refuse: true });
    await proxy.start();
    const one = await route('a');
    await expect(proxy.open(one)).rejects.toMatchObject({ code: 'runtime-failed' });
    await harness.standIns.planProxy({});
    const killed = proxy.pid ?? 0;
    process.kill(killed, 'SIGKILL');
    const two = await route('b');
    await proxy.open(two);
    expect(await askRoute(one.socketPath)).toBeNull();
  });

  it('kills a proxy that hangs, so that a route which was closed cannot stay open', async () => {
    proxy = make(harness.standIns.proxyEntry, 2);
    await proxy.start();
    const one = await route('a');
    await proxy.open(one);
    const hung = proxy.pid ?? 0;
    process.kill(hung, 'SIGSTOP');
    await proxy.close(one.workspaceId);
    await eventually('the hung proxy is gone', () => !isAlive(hung));
    const two = await route('b');
    await proxy.open(two);
    expect(await askRoute(one.socketPath)).toBeNull();
  });

  it('writes the proxy’s own lines to the log', async () => {
    await proxy.start();
    await eventually('the line is there', () => log.messages('info').includes('stand-in configured'));
  });

  it('closes every route before the process ends', async () => {
    await proxy.start();
    const one = await route('a');
    await proxy.open(one);
    const pid = proxy.pid ?? 0;
    await proxy.stop();
    expect(isAlive(pid)).toBe(false);
    expect(notes()).toEqual([`open ${one.workspaceId}`, `close ${one.workspaceId}`]);
  });

  it('fails with what to do when the process never comes up', async () => {
    const broken = make(join(harness.directory, 'nothing.mjs'), 0.5);
    await expect(broken.start()).rejects.toMatchObject({
      code: 'runtime-failed',
      message: expect.stringContaining('proxy does not answer') as string,
    });
    expect(log.messages('warn').join()).toContain('started again');
  });
});
