import { BerthServer, newId, problem } from './testing/berth-server.js';
import { testCli, until } from './testing/test-cli.js';
import type { TestCli } from './testing/test-cli.js';

const key = 'berth_0123456789abcdefSECRET';
let server: BerthServer;
let cli: TestCli;
beforeEach(async () => {
  server = new BerthServer(key);
  cli = testCli(await server.listen(), key);
});
afterEach(async () => {
  cli.stop.abort();
  await server.close();
});

const sent = (method: string) => server.seen.filter((request) => request.method === method);

describe('list and show', () => {
  beforeEach(() => {
    for (let n = 1; n <= 5; n++)
      server.workspaces.push({
        id: newId(n),
        name: `w${n}`,
        state: 'running',
        createdAt: '2026-01-02T03:04:05.678Z',
      });
  });

  it('lists every page, in the only organization', async () => {
    expect(await cli.run('workspaces', 'list')).toBe(0);
    expect(cli.out.split('\n')).toHaveLength(7);
    expect(cli.out).toContain('00000005  w5    running  -      -           -      2026-01-02T03:04:05Z\n');
  });

  it('prints JSON with what it does not know itself', async () => {
    Object.assign(server.workspaces[4] ?? {}, { future: { nested: true } });
    expect(await cli.run('ws', 'list', '--json')).toBe(0);
    expect(JSON.parse(cli.out)).toEqual(server.workspaces);
  });

  it('shows one by id or by its last eight digits', async () => {
    expect(await cli.run('workspaces', 'show', newId(4).toUpperCase(), '--json')).toBe(0);
    expect(JSON.parse(cli.out)).toEqual(server.workspaces[3]);
    cli.out = '';
    expect(await cli.run('workspaces', 'show', '00000005')).toBe(0);
    expect(cli.out).toMatch(/^id +01890000-0000-7000-8000-000000000005\nname +w5\n/);
  });

  it('refuses digits that fit none or several', async () => {
    expect(await cli.run('workspaces', 'show', '00000009')).toBe(4);
    const twin = newId(2).replace('0189', '0190');
    server.workspaces.push({ id: twin, state: 'running' });
    cli.err = '';
    expect(await cli.run('workspaces', 'show', '00000002')).toBe(2);
    expect(cli.err).toBe(
      `berth: Several workspaces end in 00000002. Give the full id:\n  ${newId(2)}\n  ${twin}\n`,
    );
  });

  it('asks which organization when there are several', async () => {
    server.organizations.push({ id: 'o-2', slug: 'beta', name: 'Beta' });
    expect(await cli.run('workspaces', 'list')).toBe(2);
    expect(cli.err).toContain('  acme  Acme\n  beta  Beta\n');
    expect(await cli.run('workspaces', 'list', '--organization', 'acme')).toBe(0);
  });
});

describe('refusals', () => {
  it('are one sentence and the wrong fields', async () => {
    server.intercept = ({ method }, response) => {
      if (method !== 'POST') return false;
      const errors = [{ path: 'repository', message: 'must be owner/name' }];
      problem(response, 422, 'validation-failed', 'The request is not valid.\u001b[2J', { errors });
      return true;
    };
    expect(await cli.run('workspaces', 'create', '--repository', 'x')).toBe(2);
    expect(cli.err).toBe(
      'berth: The request is not valid.[2J (validation-failed)\n  repository: must be owner/name\n',
    );
  });

  it('of the key never show the key', async () => {
    const stranger = testCli((await cli.context.connection({})).url, `${key}x`);
    expect(await stranger.run('workspaces', 'list')).toBe(3);
    expect(stranger.err).toContain('BERTH_API_KEY');
    expect(stranger.err + stranger.out).not.toContain('SECRET');
  });

  it('by a redirect do not carry the key along', async () => {
    server.intercept = ({ path }, response) => {
      if (path !== '/api/v1/me') return false;
      response.writeHead(302, { location: '/elsewhere' }).end();
      return true;
    };
    expect(await cli.run('workspaces', 'list')).toBe(1);
    expect(cli.err).toContain('redirects to /elsewhere');
    expect(server.seen.map(({ path }) => path)).toEqual(['/api/v1/me']);
  });

  it('by something that is no Berth say so', async () => {
    server.intercept = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
      return true;
    };
    expect(await cli.run('workspaces', 'list')).toBe(1);
    expect(cli.err).toContain('did not answer as Berth does');
  });
});

describe('create', () => {
  it('sends what was given and nothing else', async () => {
    const args = [
      '--repository',
      'acme/site',
      '--agent',
      'codex',
      '--idle-timeout-minutes',
      '30',
      '--name',
      'n',
      '--json',
    ];
    expect(await cli.run('workspaces', 'create', ...args)).toBe(0);
    expect(sent('POST')[0]?.body).toEqual({
      repository: 'acme/site',
      agent: 'codex',
      idleTimeoutMinutes: 30,
      name: 'n',
    });
    expect(JSON.parse(cli.out)).toEqual(server.workspaces[0]);
  });

  it('with --wait ends when the workspace runs', async () => {
    const done = cli.run('workspaces', 'create', '--repository', 'acme/site', '--wait');
    let opened = false;
    server.onStream = () => (opened = true);
    await until(() => opened, 'the stream is open');
    server.emit('workspace.state', { state: 'provisioning' });
    Object.assign(server.workspaces[0] ?? {}, { state: 'running' });
    server.emit('workspace.state', { state: 'running' });
    expect(await done).toBe(0);
    expect(cli.out).toContain('The workspace is running.\n');
  });

  it('with --wait ends with exit code 7 and the reason when it fails', async () => {
    server.onStream = () => {
      Object.assign(server.workspaces[0] ?? {}, { state: 'failed', stateReason: 'bubblewrap is missing.' });
      server.emit('workspace.state', { state: 'failed' });
    };
    expect(await cli.run('workspaces', 'create', '--repository', 'acme/site', '--wait')).toBe(7);
    expect(cli.err).toContain('berth: The workspace is failed: bubblewrap is missing.\n');
  });

  it('with --wait and a message prints the answer of its turn', async () => {
    server.intercept = ({ method }) => {
      if (method === 'POST') server.addMessage('user', 'do it', 'queued');
      return false;
    };
    let streams = 0;
    server.onStream = () => {
      if (++streams === 1) {
        Object.assign(server.workspaces[0] ?? {}, { state: 'running' });
        server.emit('workspace.state', { state: 'running' });
        return;
      }
      server.addMessage('agent', 'It is done.', 'completed');
      Object.assign(server.messages[0] ?? {}, { state: 'completed' });
      server.emit('message.state', { messageId: server.messages[0]?.id, state: 'completed' });
    };
    expect(await cli.run('workspaces', 'create', '--repository', 'a/b', '--message', 'do it', '--wait')).toBe(
      0,
    );
    expect(cli.out).toMatch(/\n\nIt is done\.\n$/);
  });
});
