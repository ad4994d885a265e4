/** The hostile agent tries every way out but the one it has. `node network.mjs <arguments.json> <report.json>`. */
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { spawnSync } from 'node:child_process';

const args = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const CONNECT_TIMEOUT_MS = 3000;

/** `connected`, or the error's code. */
function knock(options) {
  return new Promise((resolve) => {
    const socket = net.connect({ ...options, timeout: CONNECT_TIMEOUT_MS });
    const end = (word) => {
      socket.destroy();
      resolve(word);
    };
    socket.once('connect', () => end('connected'));
    socket.once('timeout', () => end('timeout'));
    socket.once('error', (error) => end(error.code ?? 'error'));
  });
}

const perl = (script) => spawnSync('perl', ['-MSocket', '-e', script], { encoding: 'utf8' });

const report = { tcp: {}, sockets: {}, abstract: '', vsock: '', own: '' };
for (const { host, port } of args.addresses) report.tcp[`${host}:${port}`] = await knock({ host, port });
for (const path of args.sockets) report.sockets[path] = await knock({ path });
report.own = await knock({ path: '/run/berth/s' });
report.abstract = await knock({ path: `\0${args.abstract}` });
// AF_VSOCK: only opened, never connected.
report.vsock = perl('print socket(my $s, 40, 1, 0) ? "open" : "refused"').stdout;
writeFileSync(process.argv[3], JSON.stringify(report));
