/**
 * Renewals in a process of their own, so that a test can stop and kill it: see renewing-process.ts, which starts it and says what the messages are. It is the part of a worker that
 * renews, and no more of one, so that dozens can be started in seconds; whole workers are killed at the same places in test/e2e/crash-points.e2e.test.ts.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import 'reflect-metadata';
import { openWires } from '../../src/app/wires.js';
import { Audit } from '../../src/audit/index.js';
import { ClaudeLogins } from '../../src/credentials/providers/claude.js';
import { TokenSources } from '../../src/credentials/providers/token-source.js';
import { Claims } from '../../src/credentials/renewal/claims.js';
import { CredentialNotices } from '../../src/credentials/renewal/notices.js';
import { Rejections } from '../../src/credentials/renewal/rejections.js';
import { Renewals } from '../../src/credentials/renewal/renewals.service.js';
import { Renewer } from '../../src/credentials/renewal/renewer.js';
import { Settlements } from '../../src/credentials/renewal/settlements.js';
import { CredentialSubjects } from '../../src/credentials/renewal/subjects.js';
import { Vault } from '../../src/credentials/vault.js';
import { Database, SystemStore } from '../../src/database/index.js';
import { WorkspaceFeed } from '../../src/events/index.js';
import {
  armCrashPoints,
  messageOf,
  silentLog,
  silentMetrics,
  systemClock,
  systemIds,
  World,
  type CrashPoint,
} from '../../src/kernel/index.js';
import { JobQueue } from '../../src/queue/index.js';
import { CredentialNews } from '../../src/workspaces/credential-news.js';
import type { RenewingOptions, Told } from './renewing-process.js';

let standAt: CrashPoint | null = null;
/** Stands still there, until it is told to go on or killed. Before the call answers, the process is stopped. */
armCrashPoints((name) => {
  if (name !== standAt) return;
  standAt = null;
  process.kill(process.pid, 'SIGSTOP');
});

const [options] = (await once(process, 'message')) as [RenewingOptions];
const { database: urls, redisUrl, key, claude, graceSeconds } = options;
const system = new SystemStore(urls.systemUrl);
const wires = await openWires(redisUrl, { ...urls, system }, silentLog);
// Dozens of these share the connections that one server has.
await system.close();
const database = new Database(urls.appUrl, wires.tell);
const world = new World(systemClock, systemIds, randomBytes);
const feed = new WorkspaceFeed(wires.notices);
const vault = new Vault([{ id: key.id, key: Buffer.from(key.base64, 'base64') }]);
const queue = new JobQueue(wires.queue, silentLog, silentMetrics);
const renewals = new Renewals(database, queue, feed, world, silentLog);
const audit = new Audit(database, system, world, silentLog);
const subjects = new CredentialSubjects();
new CredentialNews(subjects, database, world);
const notices = new CredentialNotices(database, subjects, world, silentLog);
const rejections = new Rejections(audit, renewals, notices, world);
const sources = new TokenSources();
const logins = new ClaudeLogins(claude, systemClock);
sources.add('claude_oauth', { graceSeconds, renew: (request) => logins.renew(request) });
const claims = new Claims(database, sources, rejections, world, silentLog);
const settlements = new Settlements(
  database,
  claims,
  sources,
  vault,
  renewals,
  rejections,
  world,
  silentLog,
  silentMetrics,
);
const renewer = new Renewer(claims, sources, vault, settlements, silentLog, silentMetrics);

process.on('message', (told: Told & { standAt: CrashPoint | null }) => {
  const { organizationId, credentialId, generation } = told;
  standAt = told.standAt;
  renewer.renew(organizationId, { credentialId, workspaceId: null }, generation).then(
    () => process.send?.({ done: credentialId }),
    (error: unknown) => process.send?.({ failed: messageOf(error) }),
  );
});
// The test is gone.
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
