import { jest } from '@jest/globals';
import { Writable } from 'node:stream';
import { startTestApp, type TestApp, type TestOrganization } from '../../test/support/app.js';
import { eventually } from '../../test/support/eventually.js';
import { request } from '../../test/support/http.js';
import { expectProblem } from '../../test/support/problem.js';
import { BerthError } from '../kernel/index.js';
import { createLog } from './log.js';

type Line = Record<string, unknown>;

describe('the request id that a person quotes', () => {
  const lines: Line[] = [];
  let berth: TestApp;
  let acme: TestOrganization;
  beforeAll(async () => {
    const destination = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        for (const line of chunk.toString().split('\n').filter(Boolean)) lines.push(JSON.parse(line) as Line);
        done();
      },
    });
    // The real log: what is looked for is what an operator would find.
    berth = await startTestApp({ log: createLog('debug', destination), worker: true });
    acme = await berth.founded('acme');
    await acme.owner.api.setCredential('user', 'anthropic_api_key', {
      apiKey: 'sk-ant-api03-cause-key-00000001',
    });
  });
  afterAll(() => berth.close());
  const linesOf = (requestId: string | undefined) => lines.filter((line) => line.requestId === requestId);
  const asAcme = { authorization: '' };
  beforeAll(() => void (asAcme.authorization = `Bearer ${acme.owner.apiKey}`));

  /** The events of a workspace that this database breaks while they are read. */
  async function provoked(headers: Record<string, string>) {
    const broken = jest
      .spyOn(berth.parts.system, 'isFirstRun')
      .mockRejectedValueOnce(new Error('the disk is on fire'));
    try {
      return await request<string>(`${berth.url}/`, { headers });
    } finally {
      broken.mockRestore();
    }
  }

  it('leads from the answer of a 500 to its cause in the log', async () => {
    const { requestId } = expectProblem(await provoked({}), 500, 'internal');
    const causes = linesOf(requestId).filter(({ level }) => level === 'error');
    expect(causes).toMatchObject([{ reason: 'the disk is on fire', msg: 'a request failed' }]);
  });

  it('leads there from the page that a browser shows', async () => {
    const answer = await provoked({
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([500, 'text/html; charset=utf-8']);
    expect(answer.body).not.toContain('fire');
    const [, quoted] = /<code>([0-9a-f-]{36})<\/code>/.exec(answer.body) ?? [];
    expect(linesOf(quoted).some(({ reason }) => reason === 'the disk is on fire')).toBe(true);
  });

  it('stands in the lines of the job that the request caused', async () => {
    berth.runtime.failNext('start', new BerthError('agent-missing', 'There is no agent here.'));
    const answer = await request<{ id: string }>(`${berth.url}${acme.owner.api.path('/workspaces')}`, {
      method: 'POST',
      headers: { ...asAcme, 'content-type': 'application/json' },
      body: JSON.stringify({ repository: 'https://github.com/acme/repository' }),
    });
    const requestId = answer.headers.get('x-request-id') ?? '';
    await eventually('the job wrote its line', () =>
      linesOf(requestId).some(({ msg }) => msg === 'a workspace could not start'),
    );
    expect(linesOf(requestId).map(({ msg }) => msg)).toContain('request');
  });

  it('is always ours; a caller’s own stands beside it, if it is a word', async () => {
    const own = await request(`${berth.url}/nothing`, { headers: { 'x-request-id': 'gateway-4711' } });
    const requestId = own.headers.get('x-request-id') ?? '';
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    await eventually('the line is there', () => linesOf(requestId).length > 0);
    expect(linesOf(requestId)).toMatchObject([{ callersRequestId: 'gateway-4711' }]);
    const forged = await request(`${berth.url}/nothing`, {
      headers: { 'x-request-id': 'a b {"level":"error"}' },
    });
    const id = forged.headers.get('x-request-id') ?? '';
    await eventually('the line is there', () => linesOf(id).length > 0);
    expect(linesOf(id)[0]).not.toHaveProperty('callersRequestId');
  });

  it('has the caller’s trace id in its lines, and none that is not one', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const traced = await request(`${berth.url}/nothing`, {
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    });
    const requestId = traced.headers.get('x-request-id') ?? '';
    await eventually('the line is there', () => linesOf(requestId).length > 0);
    expect(linesOf(requestId)).toMatchObject([{ traceId }]);
    const broken = await request(`${berth.url}/nothing`, {
      headers: { traceparent: `00-${'0'.repeat(32)}-x-01` },
    });
    const id = broken.headers.get('x-request-id') ?? '';
    await eventually('the line is there', () => linesOf(id).length > 0);
    expect(linesOf(id)[0]).not.toHaveProperty('traceId');
  });
});
