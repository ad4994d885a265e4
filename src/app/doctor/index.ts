import { arch, platform as system, release } from 'node:os';
import type { Config, Diagnosis } from '../../config/index.js';
import type { DoctorLine } from '../../contracts/index.js';
import { agent } from './agents.js';
import { clock } from './clock.js';
import { configuration } from './configuration.js';
import { dataDirectory } from './data-directory.js';
import { database, openForLook, type OpenedDatabase } from './database.js';
import { diskSpace } from './disk-space.js';
import { git } from './git.js';
import { keyRing } from './key-ring.js';
import { memory } from './memory.js';
import { migrations } from './migrations.js';
import { nodeVersion } from './node-version.js';
import { platform } from './platform.js';
import { port } from './port.js';
import { postgresQueue, redisQueue } from './queue.js';
import { Report, skipped, type Finding } from './report.js';
import { sandbox } from './sandbox.js';
import { reach, upstreamsOf } from './upstreams.js';

/**
 * Looks at the machine, the configuration and all that Berth needs, and tells what it finds. Changes nothing: no row, no migration, no key. Never throws for
 * what it finds.
 */
export async function runDoctor(
  diagnosis: Diagnosis,
  migrationsDirectory: string,
  tell: (line: DoctorLine) => void,
): Promise<void> {
  const report = new Report(tell);
  const { config, machine } = diagnosis;
  await report.check('node', 'Node.js', () => nodeVersion(process.versions.node));
  await report.check('platform', 'System', () =>
    platform({ platform: system(), arch: arch(), release: release() }),
  );
  await report.check('memory', 'Memory', memory);
  await report.check('configuration', 'Configuration', () => configuration(diagnosis));
  const folder = await report.check('data-directory', 'Data directory', () =>
    dataDirectory(machine.dataDirectory),
  );
  await report.check('disk', 'Disk space', () => diskSpace(machine.dataDirectory));
  // An api alone runs no workspace.
  const atWork = (id: string, title: string, look: () => Promise<Finding>) =>
    report.check(id, title, () => (machine.role === 'api' ? ofWorkers : look()));
  await atWork('sandbox', 'Sandbox', () => sandbox(machine));
  await atWork('git', 'Git', () => git(machine.runtime.path));
  await atWork('claude', 'Claude Code', () => agent('claude', machine));
  await atWork('codex', 'Codex', () => agent('codex', machine));
  await databaseChecks(report, config, folder, migrationsDirectory);
  await report.check('port', 'Address', () => (config === null ? afterConfiguration : port(config.http)));
  await upstreamChecks(report, machine);
}

const afterConfiguration = skipped('looked at when the configuration is right');
const ofWorkers = skipped('needed where workspaces run, by BERTH_ROLE=worker');
const afterDatabase = skipped('looked at when the database can be used');

/** All that is kept in the database. The server is opened once, and put back as it was. */
async function databaseChecks(
  report: Report,
  config: Config | null,
  folder: Finding,
  migrationsDirectory: string,
): Promise<void> {
  let opened: OpenedDatabase | null = null;
  const found = await report.check('database', 'Database', async () => {
    if (config === null) return afterConfiguration;
    if (!config.database.url && folder.status === 'fail')
      return skipped('embedded Postgres is looked at when the data directory can be used');
    const server = await openForLook(config);
    opened = server;
    return database(server, config);
  });
  const server = opened as OpenedDatabase | null;
  try {
    const rest = async (
      id: string,
      title: string,
      look: (url: string | null, config: Config) => Promise<Finding>,
    ) =>
      report.check(id, title, () => {
        if (config === null) return afterConfiguration;
        return server === null || found.status === 'fail' ? afterDatabase : look(server.ownerUrl, config);
      });
    await rest('migrations', 'Schema', (url) => migrations(url, migrationsDirectory));
    await rest('key-ring', 'Encryption keys', keyRing);
    const redisUrl = config?.redisUrl;
    if (redisUrl === undefined) await rest('queue', 'Job queue', postgresQueue);
    else await report.check('queue', 'Job queue', () => redisQueue(redisUrl));
  } finally {
    await server?.close();
  }
}

async function upstreamChecks(report: Report, machine: Config): Promise<void> {
  const ahead: (number | null)[] = [];
  await Promise.all(
    upstreamsOf(machine).map((upstream) =>
      report.check(upstream.id, upstream.title, async () => {
        const { finding, aheadSeconds } = await reach(upstream);
        ahead.push(aheadSeconds);
        return finding;
      }),
    ),
  );
  await report.check('clock', 'Clock', () => clock(ahead));
}
