import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  asInstallation,
  octokitApp,
  startGithubGround,
  statusOf,
  type GithubGround,
} from './github-ground.js';
import { until } from './until.js';

const run = promisify(execFile);

let ground: GithubGround;
beforeEach(async () => {
  ground = await startGithubGround();
});
afterEach(() => ground.close());

const place = { owner: 'acme', repo: 'widget' };

describe('git', () => {
  const git = async (...args: string[]): Promise<string> => {
    const { folder } = ground;
    const env = {
      PATH: process.env.PATH,
      HOME: folder,
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@x.invalid',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@x.invalid',
    };
    return (await run('git', args, { env, cwd: folder })).stdout.trim();
  };
  const url = (repository: string, token: string): string =>
    `${ground.github.url.replace('//', `//x-access-token:${token}@`)}/acme/${repository}.git`;
  const tokenOf = (permissions: Record<string, 'read' | 'write'>): string =>
    ground.github.tokens.forInstallation(ground.installation, permissions, new Set([ground.widget.id])).token;

  it('takes a token for its repository and permissions alone, and writes down who pushed', async () => {
    const { github, folder } = ground;
    const tree = join(folder, 'tree');
    const token = tokenOf({ contents: 'write' });
    await git('clone', '--quiet', url('widget', token), tree);
    const commit = async (file: string): Promise<void> => {
      await git('-C', tree, 'checkout', '--quiet', '-B', 'work', 'origin/main');
      await run('mkdir', ['-p', join(tree, '.github/workflows')]);
      await writeFile(join(tree, file), 'x\n');
      await git('-C', tree, 'add', '.');
      await git('-C', tree, 'commit', '--quiet', '-m', 'More');
    };
    await commit('a.txt');
    const push = (pushed: string, branch = 'berth/1') =>
      git('-C', tree, 'push', '--quiet', url('widget', pushed), `HEAD:refs/heads/${branch}`);
    await expect(push(tokenOf({ contents: 'read' }))).rejects.toThrow(/denied to berth-acme\[bot\]|403/);
    await push(token);
    const after = await git('-C', tree, 'rev-parse', 'HEAD');
    const pushed = { repository: 'acme/widget', by: 'berth-acme[bot]', ref: 'refs/heads/berth/1', after };
    expect(github.pushes).toMatchObject([pushed]);
    await commit('.github/workflows/x.yml');
    await expect(push(token, 'berth/2')).rejects.toThrow(/without `workflows` permission/);
    await push(tokenOf({ contents: 'write', workflows: 'write' }), 'berth/2');
    await expect(git('ls-remote', url('gadget', token))).rejects.toThrow(/not found/);
    github.tokens.revoke(token);
    await expect(git('ls-remote', url('widget', token))).rejects.toThrow(/Authentication failed/);
    expect(await statusOf(fetch(`${github.url}/acme/widget.git/info/refs?service=git-upload-pack`))).toBe(
      401,
    );
  });
});

describe('hooks', () => {
  it('posts signed events, keeps how it went, and delivers again under the same id', async () => {
    const { github, alice, widget, app, installation } = ground;
    const got: { headers: Record<string, unknown>; body: string }[] = [];
    let status = 500;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
        response.writeHead(status).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      app.hookUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
      const pull = await github.make.pull(widget, alice);
      const comment = github.make.comment(widget, pull.number, alice, 'hello');
      const event = github.events.issueComment(widget, comment);
      const body = JSON.stringify({ event: 'issue_comment', body: event, guid: 'g-1' });
      const steered = await fetch(`${github.url}/_control/github/deliver`, { method: 'POST', body });
      expect(await steered.json()).toMatchObject({ guid: 'g-1', statusCode: 500 });
      const hmac = createHmac('sha256', app.webhookSecret ?? '').update(got[0]?.body ?? '');
      expect(got[0]?.headers).toMatchObject({
        'x-github-event': 'issue_comment',
        'x-github-delivery': 'g-1',
        'x-hub-signature-256': `sha256=${hmac.digest('hex')}`,
      });
      expect(JSON.parse(got[0]?.body ?? '')).toMatchObject({
        action: 'created',
        issue: { number: pull.number, pull_request: {} },
        installation: { id: installation.id },
        sender: { id: alice.id },
      });
      status = 202;
      const { rest } = octokitApp(ground).octokit;
      const failed = await rest.apps.listWebhookDeliveries({ status: 'failure' });
      expect(failed.data).toMatchObject([
        { guid: 'g-1', status_code: 500, installation_id: installation.id },
      ]);
      await rest.apps.redeliverWebhookDelivery({ delivery_id: failed.data[0]?.id ?? 0 });
      await until('the redelivery', () => github.hooks.deliveries.length === 2);
      const all = await octokitApp(ground).octokit.paginate('GET /app/hook/deliveries', { per_page: 1 });
      expect(all).toMatchObject([
        { guid: 'g-1', redelivery: true, status: 'OK' },
        { guid: 'g-1', redelivery: false },
      ]);
      await github.hooks.deliver('ping', '{}', { signature: null });
      expect(got[2]?.headers).not.toHaveProperty('x-hub-signature-256');
    } finally {
      server.close();
    }
  });
});

describe('failures on demand', () => {
  it('loses an answer after the call took effect, which Octokit’s own retry would double', async () => {
    const { github, alice, widget } = ground;
    const { rest } = await asInstallation(ground);
    const { number: issue_number } = await github.make.pull(widget, alice);
    const path = `/api/v3/repos/acme/widget/issues/${issue_number}/comments`;
    github.fail({ mode: 'lost-answer', match: { method: 'POST', path } });
    await expect(rest.issues.createComment({ ...place, issue_number, body: 'x' })).rejects.toThrow();
    expect(widget.comments).toHaveLength(1);
    github.fail({ status: 502, match: { method: 'POST', path } });
    expect(await statusOf(rest.issues.createComment({ ...place, issue_number, body: 'x' }))).toBe(502);
    expect(widget.comments).toHaveLength(1);
  });
});
