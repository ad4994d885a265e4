import { randomUUID } from 'node:crypto';
import * as contracts from '../../src/contracts/index.js';
import type { RouteContract } from '../../src/contracts/index.js';
import type { Bench, PlayedWorkspace } from './bench.js';
import { mutations } from './mutations.js';
import { furnish, requestTo, routes } from './tenant-routes.js';
import { withClient } from './tables.js';

/** A request that is valid as it stands, from somebody who may send it. */
export interface ValidRequest {
  name: string;
  contract: RouteContract;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: object | undefined;
}

/** What a machine of this workspace sends. A new route without one fails below, so that none is left out. */
const ofMachines = ({ runner: { runnerId } }: PlayedWorkspace): Record<string, object> => ({
  runnerHelloRoute: { runnerId, pid: 1 },
  runnerClaimRoute: { runnerId, waitSeconds: 0 },
  runnerCommandsRoute: { runnerId, waitSeconds: 0, canceling: [] },
  runnerReportRoute: { runnerId, items: [{ n: 1, type: 'workspace.prepared' }] },
  proxyLeaseRoute: { upstream: 'anthropic' },
  proxyReportRoute: {
    items: [{ id: randomUUID(), type: 'served', credentialId: randomUUID(), generation: 1 }],
  },
  proxyWithdrawnRoute: { credentialIds: [randomUUID()] },
  proxyEgressRoute: {},
});

/** One to every route of the contracts, those of machines too. What they need is there, and none is sent. The owner of the bench administers the instance from here on. */
export async function everyRequest(bench: Bench): Promise<ValidRequest[]> {
  const { organization, owner, app } = bench;
  await withClient(app.database.ownerUrl, (client) =>
    client.query('UPDATE "user" SET instance_administrator = true WHERE id = $1', [owner.userId]),
  );
  const headers = { authorization: `Bearer ${owner.apiKey}` };
  const things = await furnish(app, organization);
  const ofOrganization = routes.map((route) => ({
    ...route,
    ...requestTo(route, organization.slug, things),
    headers,
  }));
  const outside = mutations.filter(({ contract }) => !contract.path.includes('{org}'));
  const changing = await Promise.all(
    outside.map(async (mutation) => ({ ...mutation, ...(await mutation.prepare(app)) })),
  );
  const played = await bench.started((await bench.create()).id);
  const known = [...ofOrganization, ...changing];
  const others = named()
    .filter(({ name }) => !known.some((request) => request.name === name))
    .map((route) => ({ ...route, path: route.contract.path, ...byWhom(route, played, headers) }));
  return [...known, ...others];
}

/** A machine, or who reads what is outside of any organization. */
function byWhom(
  { name, contract }: ReturnType<typeof named>[number],
  played: PlayedWorkspace,
  headers: Record<string, string>,
): Pick<ValidRequest, 'headers' | 'body'> {
  if (contract.method === 'GET') return { headers, body: undefined };
  // Another system, whose signature nobody here can make, and whose bodies no contract of Berth describes: F15 webhooks is theirs.
  if (contract.path.startsWith('/webhooks/')) return { headers: {}, body: undefined };
  const body = ofMachines(played)[name];
  if (!body) throw new Error(`Teach this test a valid body for ${name}.`);
  const { token } = contract.access === 'proxy' ? played.proxy : played.runner;
  return { headers: { authorization: `Bearer ${token}` }, body };
}

function named(): { name: string; contract: RouteContract }[] {
  return Object.entries(contracts as Record<string, unknown>)
    .filter(([name]) => name.endsWith('Route'))
    .map(([name, contract]) => ({ name, contract: contract as RouteContract }));
}
