import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net, { type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { until } from '../emulators/until.js';
import { plantProbes, PROBES, runCommand, runProbe } from './hostile/agent.js';
import { databaseOf, foundInTables, type DatabaseSecrets } from './hostile/database.js';
import { knocks, runnerFileOf } from './hostile/host.js';
import {
  canary,
  found,
  foundBelow,
  foundInMemory,
  foundInProcesses,
  inMemoryForms,
  masked,
  needleOf,
  type Needle,
} from './hostile/needles.js';
import { familyOf, processesNaming, runnerOf } from './support/processes.js';
import type { Repository } from './support/repository.js';
import { TestSystem } from './support/system.js';
import { startGatedTurn } from './support/turns.js';

/**
 * The agent is hostile: the real Claude Code runs, in the real sandbox, whatever an attacker told it to. Two organizations, each with a workspace and with keys that
 * nobody could guess. What must not be found is searched for on both sides of the wall.
 */

let system: TestSystem;
let database: DatabaseSecrets;
let mine: { id: string; repository: Repository; folder: string };
let other: { id: string; folder: string };
let credentials: Needle[];
let secrets: Needle[];
const startedAt = Date.now();

beforeAll(async () => {
  system = await TestSystem.start({ environment: { LOG_LEVEL: 'trace' } });
  const keys = {
    'the key of the user': canary('sk-ant-api03-'),
    'the key of the organization': canary('sk-ant-api03-'),
    'the key of the other organization': canary('sk-ant-api03-'),
  };
  for (const key of Object.values(keys)) system.anthropic.accept(key);
  const [user, organization, foreign] = Object.values(keys) as [string, string, string];
  await system.api.setCredential('user', 'anthropic_api_key', { apiKey: user });
  await system.api.setCredential('organization', 'anthropic_api_key', { apiKey: organization });
  const { body } = await system.api.post<{ apiKey: string }>(
    '/api/v1/organizations',
    { name: 'Other', slug: 'other' },
    201,
  );
  const otherApi = system.api.as(body.apiKey, 'other');
  await otherApi.setCredential('organization', 'anthropic_api_key', { apiKey: foreign });

  const folder = (name: string): string => path.join(system.folder, name);
  mkdirSync(folder('outside'));
  const running = await system.runningWorkspace('claude', 'mine');
  mine = { id: running.id, repository: running.repository, folder: folder('mine') };
  const theirs = await otherApi.createWorkspace({
    repository: (await system.repository('theirs')).url,
    name: 'theirs',
  });
  await otherApi.untilState(theirs.id, 'running');
  other = { id: theirs.id, folder: folder('theirs') };
  database = await databaseOf(system.berth.dataDirectory);

  credentials = Object.entries(keys).map(([name, key]) => needleOf(name, key, 'sk-ant-api03-'));
  const ring = readFileSync(path.join(system.berth.dataDirectory, 'encryption-keys'), 'utf8').trim();
  const theirFile = runnerFileOf(system, other.id);
  secrets = [
    ...credentials,
    needleOf('the encryption key', ring.slice(ring.indexOf(':') + 1)),
    needleOf('the password of the superuser', database.superuserPassword),
    needleOf('the password of the owner', database.ownerPassword),
    needleOf('my API key', system.api.apiKey ?? '', 'berth_'),
    needleOf('the API key of the other organization', body.apiKey, 'berth_'),
    needleOf('the token of my runner', runnerFileOf(system, mine.id).runnerToken),
    needleOf('the token of the other runner', theirFile.runnerToken),
    needleOf('the placeholder of the other workspace', theirFile.placeholder, 'berth-'),
  ];
  await plantProbes(system, mine.id);
});
afterAll(() => system.close());

describe('inside the sandbox', () => {
  it('finds no secret in any file, process, memory or name that it can see', async () => {
    const hostPaths = [
      system.berth.dataDirectory,
      ...[
        'encryption-keys',
        'postgres',
        `workspaces/${mine.id}/runner.json`,
        `workspaces/${other.id}/tree`,
        `workspaces/${other.id}/home`,
      ].map((name) => path.join(system.berth.dataDirectory, name)),
      runnerFileOf(system, other.id).socketDirectory,
      other.folder,
      path.join(system.folder, 'outside'),
      process.cwd(),
      '/root',
      '/etc/shadow',
    ];
    const report = await runProbe<{
      findings: string[];
      files: number;
      processes: string[];
      memories: number;
      readable: string[];
      changed: string[];
    }>(system, mine.id, 'secrets', {
      masked: masked(secrets),
      inMemory: masked(inMemoryForms(secrets)),
      hostPaths,
      since: startedAt,
      own: PROBES,
    });

    expect(report.findings).toEqual([]);
    expect(report.readable).toEqual([]);
    expect(report.changed).toEqual([]);
    // It did look: at the system, at its own agent, at the agent's memory.
    expect(report.files).toBeGreaterThan(1000);
    expect(report.processes.length).toBeGreaterThanOrEqual(3);
    expect(report.processes.length).toBeLessThan(15);
    expect(report.memories).toBeGreaterThanOrEqual(2);
  });

  it('reaches nothing of the host: no port, no socket by name or path, no virtual machine’s door', async () => {
    const onAbstract: Server = net.createServer((socket) => socket.end());
    const abstract = `berth-hostile-${process.pid}-${startedAt}`;
    await new Promise<void>((resolve) => onAbstract.listen(`\0${abstract}`, resolve));
    const onAll: Server = createServer((_request, response) => response.end()).listen(0);
    await new Promise<void>((resolve) => onAll.once('listening', resolve));
    const ports = [system.berth.url, system.anthropic.url, system.openai.url, system.git.url].map((url) =>
      Number(new URL(url).port),
    );
    const outer = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    const everywhere = (onAll.address() as net.AddressInfo).port;
    const addresses = [
      ...[...ports, database.port, everywhere].flatMap((port) =>
        ['127.0.0.1', '::1', '127.0.0.2'].map((host) => ({ host, port })),
      ),
      ...outer.map(({ address }) => ({ host: address, port: everywhere })),
      // TEST-NET-1 (RFC 5737): no route leads anywhere.
      { host: '192.0.2.1', port: 80 },
    ];
    const sockets = [
      path.join(runnerFileOf(system, other.id).socketDirectory, 's'),
      path.join(runnerFileOf(system, mine.id).socketDirectory, 's'),
    ];
    // From the host they can all be reached: what is refused inside is refused by the wall.
    for (const port of [...ports, database.port, everywhere])
      expect(await knocks({ host: '127.0.0.1', port })).toBe(true);
    for (const socket of sockets) expect(await knocks({ path: socket })).toBe(true);
    expect(await knocks({ path: `\0${abstract}` })).toBe(true);

    const report = await runProbe<{
      tcp: Record<string, string>;
      sockets: Record<string, string>;
      abstract: string;
      vsock: string;
      own: string;
    }>(system, mine.id, 'network', { addresses, sockets, abstract });
    onAbstract.close();
    onAll.close();

    expect(Object.keys(report.tcp)).toHaveLength(addresses.length);
    expect(
      Object.entries(report.tcp).filter(
        ([, word]) => !['ECONNREFUSED', 'ENETUNREACH', 'EADDRNOTAVAIL'].includes(word),
      ),
    ).toEqual([]);
    expect(Object.values(report.sockets)).toEqual(['ENOENT', 'ENOENT']);
    expect(report).toMatchObject({ abstract: 'ECONNREFUSED', vsock: 'refused', own: 'connected' });
  });

  it('writes nowhere but in its tree and home, and leaves no namespace', async () => {
    const socketFolder = '/run/berth';
    const folders = [
      '/',
      '/usr',
      '/usr/bin',
      '/etc',
      '/run',
      socketFolder,
      '/opt/berth',
      '/proc/sys/kernel',
      mine.folder,
      `${mine.folder}/.git`,
    ];
    const hosts = [system.berth.dataDirectory, path.join(system.folder, 'outside'), other.folder, '/root'];
    const files = [
      `${mine.folder}/.git/config`,
      `${mine.folder}/.git/HEAD`,
      `${socketFolder}/s`,
      '/etc/passwd',
      '/usr/bin/env',
      '/opt/berth/forwarder.mjs',
      '/etc/gitconfig',
    ];
    const bwrap = execFileSync('/bin/sh', ['-c', 'command -v bwrap'], { encoding: 'utf8' }).trim();
    const links = [...hosts, path.join(system.berth.dataDirectory, 'encryption-keys')];
    const report = await runProbe<{
      writes: Record<string, string>;
      opens: Record<string, string>;
      commands: Record<string, string>;
    }>(system, mine.id, 'escape', { folders: [...folders, ...hosts], files, links, bwrap });

    for (const outcomes of Object.values(report)) {
      expect(Object.keys(outcomes).length).toBeGreaterThan(10);
      expect(Object.entries(outcomes).filter(([, word]) => word === 'done')).toEqual([]);
    }
    expect(readdirSync(path.join(system.folder, 'outside'))).toEqual([]);
    expect(readdirSync(mine.folder).filter((name) => name.startsWith('hostile'))).toEqual([]);
  });

  it('leaves no process behind, however it detaches', async () => {
    const marker = `77${Date.now() % 1_000_000}`;
    const sleeper = `sleep ${marker}`;
    const ways = [
      `nohup ${sleeper} >/dev/null 2>&1 &`,
      `setsid ${sleeper} >/dev/null 2>&1 </dev/null &`,
      `(setsid sh -c "(trap '' TERM HUP INT; exec ${sleeper}) &" &) >/dev/null 2>&1 </dev/null`,
      // Holds the agent's own output open.
      `setsid ${sleeper} &`,
    ];
    writeFileSync(
      path.join(system.treeOf(mine.id), 'linger.sh'),
      `${ways.join('\n')}\nsleep 0.2\npgrep -f '${sleeper}' | wc -l > linger.txt\n`,
    );
    const message = await runCommand(system, mine.id, 'sh linger.sh');
    expect(message.state).toBe('completed');
    expect(
      Number(readFileSync(path.join(system.treeOf(mine.id), 'linger.txt'), 'utf8')),
    ).toBeGreaterThanOrEqual(3);
    await until('they are gone', () => processesNaming(sleeper.replace(' ', '\0')).length === 0, 10);
  });
});

describe('outside the sandbox', () => {
  /** Everything that a member could ask for. */
  async function answers(): Promise<string> {
    const inOrganization = [
      '',
      '/members',
      '/api-keys',
      '/credentials',
      '/credentials/resolution?agent=claude',
      '/workspaces',
    ];
    const ofWorkspace = ['', '/messages', '/operations', '/events?after=0'].map(
      (rest) => `/workspaces/${mine.id}${rest}`,
    );
    const paths = [
      '/api/v1/me',
      '/openapi.json',
      ...[...inOrganization, ...ofWorkspace].map((rest) => system.api.path(rest)),
    ];
    const bodies = await Promise.all(paths.map((each) => system.api.get(each)));
    return JSON.stringify(bodies.map(({ body, headers }) => [body, [...headers]]));
  }

  /** Postgres must hold the sealed credential, the key ring the key; nothing else holds either. */
  const onDisk = (): string[] => foundBelow(system.berth.dataDirectory, credentials);

  it('keeps the keys off the disk, the log, the tables, the answers and every process’s environment while the agent works', async () => {
    const turn = await startGatedTurn(system, mine.id);
    const runner = runnerOf(system.filesOf(mine.id)) ?? 0;
    const family = familyOf(runner);
    expect(family.length).toBeGreaterThan(3);
    expect(foundInProcesses(secrets)).toEqual([]);
    expect(await foundInMemory(runner, credentials)).toEqual([]);
    for (const { pid } of family) expect(await foundInMemory(pid, credentials).catch(() => [])).toEqual([]);
    expect(onDisk()).toEqual([]);
    await turn.open();
    expect(await system.api.untilEnded(mine.id, turn.message.id)).toMatchObject({ state: 'completed' });

    expect(onDisk()).toEqual([]);
    expect(found(secrets, Buffer.from(system.berth.output.join('')))).toEqual([]);
    const { findings, tables } = await foundInTables(database, credentials);
    expect(findings).toEqual([]);
    expect(tables).toEqual(expect.arrayContaining(['public.credential', 'public.event', 'bullmq.job']));
    expect(found(credentials, Buffer.from(await answers()))).toEqual([]);
    // And it was the key that worked all the while.
    const used = system.anthropic.requests
      .filter(({ status }) => status === 200)
      .map(({ credential }) => credential.value);
    expect(found(credentials, Buffer.from(used.join('\n')))).toEqual(['the key of the user']);
  });

  it('would find a key that lay about: the search itself works', async () => {
    const planted = path.join(system.berth.dataDirectory, 'planted');
    const needle = credentials[0];
    if (needle === undefined) throw new Error('There is no needle.');
    for (const form of needle.forms) {
      writeFileSync(planted, Buffer.concat([Buffer.from('before '), form, Buffer.from(' after')]));
      expect(foundBelow(system.berth.dataDirectory, credentials, (file) => file !== 'planted')).toEqual([
        'the key of the user in planted',
      ]);
    }
    writeFileSync(planted, '');
    expect(await foundInMemory(process.pid, credentials)).toContain('the key of the user');
  });
});
