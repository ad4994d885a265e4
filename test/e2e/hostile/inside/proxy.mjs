/**
 * The hostile agent talks to the proxy as no agent should. Each request is raw bytes; the report has the status line and the whole answer of each.
 * `node proxy.mjs <arguments.json> <report.json>`.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';

const args = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const ANSWER_TIMEOUT_MS = 5000;

/** A variable of any process that can be seen: Claude Code keeps its own from the commands it starts. */
function variable(name) {
  for (const pid of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const line = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .find((each) => each.startsWith(`${name}=`));
      if (line !== undefined) return line.slice(name.length + 1);
    } catch {
      /* not there any more */
    }
  }
  return '';
}
const { hostname, port } = new URL(variable('ANTHROPIC_BASE_URL'));
const secret = variable('ANTHROPIC_AUTH_TOKEN');

function send(text) {
  return new Promise((resolve) => {
    const socket = net.connect({ host: hostname, port: Number(port), timeout: ANSWER_TIMEOUT_MS });
    let answer = '';
    const end = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setEncoding('latin1');
    socket.once('connect', () => socket.write(text.replaceAll('{placeholder}', secret), 'latin1'));
    socket.on('data', (piece) => (answer += piece));
    socket.once('end', end).once('timeout', end).once('error', end);
  });
}

const answers = {};
for (const [name, text] of Object.entries(args.requests)) answers[name] = await send(text);
writeFileSync(process.argv[3], JSON.stringify({ answers, hasPlaceholder: secret.length > 20 }));
