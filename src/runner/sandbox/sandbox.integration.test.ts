import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { compileRunner } from '../support/compile.js';
import { Place } from '../support/place.js';
import { until } from '../support/until.js';
import { BubblewrapSandbox } from './bubblewrap.js';
import { OffSandbox } from './off.js';

const close = (server: Server) => new Promise((resolve) => server.close(resolve));

describe('the bubblewrap sandbox', () => {
  let compiled: string;
  let place: Place;

  beforeAll(async () => {
    compiled = await compileRunner();
  });
  afterAll(() => rmSync(compiled, { recursive: true, force: true }));
  beforeEach(() => {
    place = new Place(compiled);
  });
  afterEach(() => rmSync(place.folder, { recursive: true, force: true }));

  const lines = (text: string) => text.split('\n').filter((line) => line !== '');

  it('runs as an ordinary user on the tree and a HOME, and keeps what is written there', async () => {
    const { code, output } = await place.shell('id -un; id -u; pwd; echo $HOME; echo hi > x; echo ho > ~/y');

    expect({ code, lines: lines(output) }).toEqual({
      code: 0,
      lines: ['agent', '1000', '/workspace', '/home/agent'],
    });
    expect(readFileSync(join(place.tree, 'x'), 'utf8')).toBe('hi\n');
    expect(readFileSync(join(place.home, 'y'), 'utf8')).toBe('ho\n');
  });

  it('shows none of the host: not its processes, nor its folders, nor other workspaces', async () => {
    const other = new Place(compiled);
    mkdirSync(other.tree, { recursive: true });
    writeFileSync(join(other.tree, 'secret.txt'), 'secret of another workspace');
    writeFileSync(join(place.scratch, 'runner.json'), 'secret of the runner');
    const script = [
      `cat ${other.tree}/secret.txt ${place.scratch}/runner.json ${place.folder}/*`,
      'find / -name secret.txt -o -name runner.json 2>/dev/null',
      'ls /root /srv /mnt /media /boot /sys 2>/dev/null',
      'ls /home; ls /tmp',
    ].join('; ');
    const { output } = await place.shell(script);
    rmSync(other.folder, { recursive: true, force: true });

    expect(output).not.toContain('secret of');
    expect(lines(output).filter((line) => !line.startsWith('cat: '))).toEqual(['agent']);
  });

  it('has processes of its own: the host is not seen and cannot be signalled', async () => {
    const { output } = await place.shell('ls /proc | grep -E "^[0-9]+$"; kill -0 ' + String(process.pid));
    const pids = lines(output).filter((line) => /^\d+$/.test(line));

    expect(output).toContain('No such process');
    expect(pids.length).toBeLessThan(8);
  });

  it('cannot write anything that belongs to the machine, though its user is root outside', async () => {
    // Only asks whether it could: should the sandbox leak, this test must not change the machine.
    const script = [
      'find / -xdev -writable ! -type l 2>/dev/null',
      'find /proc -writable -type f ! -path "/proc/[0-9]*" 2>/dev/null',
      'find /proc/sys -writable 2>/dev/null',
      'cat /proc/kcore /proc/kmsg /proc/timer_list /proc/slabinfo 2>/dev/null | head -c 100',
    ].join('; ');
    const { output } = await place.shell(script);

    expect(lines(output).filter((path) => !path.startsWith('/proc/self/') && path !== '/dev')).toEqual(
      expect.arrayContaining(['/home/agent', '/workspace', '/tmp', '/var/tmp']),
    );
    expect(lines(output).filter((path) => path.startsWith('/proc'))).toEqual([]);
    expect(lines(output)).toHaveLength(5);
  });

  it('reaches the network only by Unix, IP and netlink sockets of its own namespace', async () => {
    // AF_VSOCK is 40 and leads out of a virtual machine, whatever the network namespace; it is only opened here.
    const probe =
      'use Socket; for my $f (1, 2, 10, 40) { print "$f ", socket(my $s, $f, 1, 0) ? "yes" : "no", "\n" }';
    const { output } = await place.shell(
      `perl -e '${probe}'; perl -e 'print "keyctl ", syscall(250, 0, -3, 0)'`,
    );

    expect(lines(output)).toEqual(['1 yes', '2 yes', '10 yes', '40 no', 'keyctl -1']);
  });

  it("cannot reach bubblewrap's own process, which ends the sandbox", async () => {
    // PTRACE_ATTACH is 16; syscall 101 on x64.
    const { output } = await place.shell(
      'ls -A /proc/1; (: < /proc/1/mem) 2>&1; (: > /proc/1/x) 2>&1; perl -e "print syscall(101, 16, 1, 0, 0)"',
    );

    expect(lines(output)).toEqual([
      expect.stringContaining('/proc/1/mem: No such file'),
      expect.stringContaining('/proc/1/x: Read-only file system'),
      '-1',
    ]);
  });

  it('cannot become root in a namespace of its own to rearrange mounts', async () => {
    const { output } = await place.shell(
      'unshare --user --map-root-user id -u; unshare --mount true; echo end',
    );

    expect(lines(output).filter((line) => /^\d+$/.test(line))).toEqual([]);
    expect(lines(output).at(-1)).toBe('end');
  });

  it('gives exactly the environment that was given, in every process', async () => {
    const { output } = await place.shell(
      'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | cut -d= -f1 | sort -u',
    );

    expect(lines(output).filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name))).toEqual([
      'HOME',
      'PATH',
    ]);
  });

  it("does not reach the host's loopback, with or without the proxy", async () => {
    const host = createServer((socket) => socket.end('host'));
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    const { port } = host.address() as AddressInfo;
    const line = `echo > /dev/tcp/127.0.0.1/${port} && echo reached; echo > /dev/tcp/127.0.0.1/8123 && echo proxy`;

    expect(lines((await place.shell(line)).output)).not.toContain('reached');
    expect(lines((await place.shell(line)).output)).not.toContain('proxy');
    const proxied = await place.shell(line, 'proxy');
    expect(lines(proxied.output)).not.toContain('reached');
    expect(lines(proxied.output)).toContain('proxy');
    await close(host);
  });

  it('reaches the socket through the forwarder, also after the proxy was restarted', async () => {
    const socketPath = join(place.socketDirectory, 's');
    const serve = async (name: string) => {
      const server = createHttpServer((_request, response) => response.end(name));
      await new Promise<void>((resolve) => server.listen(socketPath, resolve));
      return server;
    };
    const first = await serve('first');
    const asks = 'until [ -e go ]; do read -t 0.05 < /dev/zero; done; curl -s http://127.0.0.1:8123/';
    const running = place.shell(`curl -s http://127.0.0.1:8123/; touch asked; ${asks}`, 'proxy');
    await until('the first answer', () => readdirSync(place.tree).includes('asked'));
    first.closeAllConnections();
    await close(first);
    const second = await serve('second');
    writeFileSync(join(place.tree, 'go'), '');

    expect((await running).output).toBe('firstsecond');
    await close(second);
  });

  it('passes on exit codes, and 128 and the number for a signal', async () => {
    expect((await place.shell('exit 7')).code).toBe(7);
    expect((await place.shell('exit 7', 'proxy')).code).toBe(7);
    expect((await place.shell('kill -TERM $$', 'proxy')).code).toBe(143);
  });

  it('leaves nothing behind: neither at a kill nor at the end of the command', async () => {
    const running = () => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes('tail -s 5151');
    const daemon = 'setsid tail -s 5151 -f /dev/null > /dev/null 2>&1 < /dev/null & ';
    const child = place.sandbox.run({
      command: '/bin/bash',
      args: ['-c', `${daemon} touch started; tail -f /dev/null`],
      env: { PATH: place.path },
      network: 'proxy',
    });
    await until('it runs', () => readdirSync(place.tree).includes('started') && running());
    child.kill();
    expect(await child.exit).toEqual({ code: null, signal: 'SIGKILL' });
    await until('all gone', () => !running());

    await place.shell(`${daemon} sleep 0`);
    await until('all gone again', () => !running());
  });

  it("starts npm's launcher with the packages it needs, bound read-only and nothing beside them", async () => {
    const modules = join(place.folder, 'lib', 'node_modules');
    const launcher = join(modules, '@acme', 'tool', 'bin', 'tool.js');
    mkdirSync(join(modules, '@acme', 'tool', 'bin'), { recursive: true });
    mkdirSync(join(modules, '@acme', 'tool-native'), { recursive: true });
    mkdirSync(join(modules, 'neighbour'), { recursive: true });
    const manifest = {
      name: '@acme/tool',
      optionalDependencies: { '@acme/tool-native': '1', '@acme/absent': '1' },
    };
    writeFileSync(join(modules, '@acme', 'tool', 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(modules, '@acme', 'tool-native', 'package.json'), '{"name":"@acme/tool-native"}');
    writeFileSync(join(modules, '@acme', 'tool-native', 'data.json'), '"native part"');
    const script = [
      '#!/usr/bin/env node',
      'const fs = require("node:fs"), path = require("node:path");',
      'const modules = path.join(__dirname, "..", "..", "..");',
      'console.log(require("@acme/tool-native/data.json"), process.argv.slice(2).join(), fs.readdirSync(modules).join());',
      'try { fs.writeFileSync(__filename, ""); } catch (error) { console.log(error.code); }',
    ];
    writeFileSync(launcher, script.join('\n'));
    mkdirSync(join(place.folder, 'bin'));
    symlinkSync(launcher, join(place.folder, 'bin', 'tool'));

    const program = place.sandbox.program(join(place.folder, 'bin', 'tool'));
    const child = place.sandbox.run({
      command: program.command,
      args: [...program.args, 'a', 'b'],
      env: {},
      binds: program.binds,
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await child.exit;

    expect(lines(output)).toEqual(['native part a,b @acme', 'EROFS']);
  });

  it('says what to do when the program or bubblewrap is missing', () => {
    expect(() => place.sandbox.program(join(place.folder, 'no-such'))).toThrow(
      expect.objectContaining({ code: 'agent-missing' }) as Error,
    );
    const { tree, home, scratch, socketDirectory } = place;
    const options = {
      tree,
      home,
      scratch,
      socketDirectory,
      forwarder: 'unused',
      bwrap: join(place.folder, 'none'),
    };
    expect(() => new BubblewrapSandbox(options)).toThrow(
      expect.objectContaining({ code: 'sandbox-unavailable' }) as Error,
    );
  });

  it('without a sandbox gives the proxy on a free loopback port, and still no environment of ours', async () => {
    const { tree, home, scratch, socketDirectory } = place;
    const server = createHttpServer((_request, response) => response.end('proxy'));
    await new Promise<void>((resolve) => server.listen(join(socketDirectory, 's'), resolve));
    const off = await OffSandbox.start({ tree, home, scratch, socketDirectory });
    const child = off.run({
      command: 'bash',
      args: ['-c', `curl -s ${off.proxyUrl}/; env | cut -d= -f1 | sort; pwd`],
      env: { PATH: place.path },
      network: 'proxy',
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await child.exit;

    expect(lines(output)).toEqual(['proxyPATH', 'PWD', 'SHLVL', '_', tree]);
    server.closeAllConnections();
    await close(server);
    await off.close();
  });
});
