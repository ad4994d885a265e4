import {
  egressAnswerSchema,
  egressRequestSchema,
  leaseRequestSchema,
  leaseSchema,
  proxyPaths,
  proxyReportRequestSchema,
  withdrawnAnswerSchema,
  withdrawnRequestSchema,
} from './proxy.js';
import { route } from './rest/route.js';
import {
  claimedTurnSchema,
  claimRequestSchema,
  commandsAnswerSchema,
  commandsRequestSchema,
  reportAnswerSchema,
  reportRequestSchema,
  runnerAssignmentSchema,
  runnerHelloSchema,
  runnerPaths,
} from './runner.js';

/** What a machine may ask. Not part of the outside contract: both ends come with the same release. */
export const runnerHelloRoute = route({
  method: 'POST',
  path: runnerPaths.hello,
  access: 'runner',
  summary: 'A runner started',
  body: runnerHelloSchema,
  answer: { status: 200, body: runnerAssignmentSchema },
});

export const runnerClaimRoute = route({
  method: 'POST',
  path: runnerPaths.claim,
  access: 'runner',
  summary: 'Wait for a turn (204: none came)',
  body: claimRequestSchema,
  answer: { status: 200, body: claimedTurnSchema },
});

export const runnerReportRoute = route({
  method: 'POST',
  path: runnerPaths.report,
  access: 'runner',
  summary: 'Report numbered facts',
  body: reportRequestSchema,
  answer: { status: 200, body: reportAnswerSchema },
});

export const runnerCommandsRoute = route({
  method: 'POST',
  path: runnerPaths.commands,
  access: 'runner',
  summary: 'Heartbeat, and wait for something to do',
  body: commandsRequestSchema,
  answer: { status: 200, body: commandsAnswerSchema },
});

export const proxyLeaseRoute = route({
  method: 'POST',
  path: proxyPaths.lease,
  access: 'proxy',
  summary: 'Lease the credential that serves this workspace now',
  body: leaseRequestSchema,
  answer: { status: 200, body: leaseSchema },
});

export const proxyReportRoute = route({
  method: 'POST',
  path: proxyPaths.report,
  access: 'proxy',
  summary: 'Report served calls, usage, refusals and blocked ways out',
  body: proxyReportRequestSchema,
  answer: { status: 204, body: null },
});

export const proxyWithdrawnRoute = route({
  method: 'POST',
  path: proxyPaths.withdrawn,
  access: 'proxy',
  summary: 'Which credentials of calls under way may not serve this workspace any more',
  body: withdrawnRequestSchema,
  answer: { status: 200, body: withdrawnAnswerSchema },
});

export const proxyEgressRoute = route({
  method: 'POST',
  path: proxyPaths.egress,
  access: 'proxy',
  summary: 'Which hosts the agent of this workspace may reach now',
  body: egressRequestSchema,
  answer: { status: 200, body: egressAnswerSchema },
});
