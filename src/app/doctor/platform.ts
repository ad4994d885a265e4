import { ok, warn, type Finding } from './report.js';

/** Systems that Berth was tried on. */
const TRIED = ['linux-x64', 'linux-arm64'];

/** The system is one that Berth knows. */
export function platform(machine: { platform: string; arch: string; release: string }): Finding {
  const name = `${machine.platform}-${machine.arch}`;
  const described = `${name}, kernel ${machine.release}`;
  return TRIED.includes(name)
    ? ok(described)
    : warn(
        `${described}: Berth was tried on ${TRIED.join(' and ')} only.`,
        'Run Berth on Linux; agents find their sandbox, bubblewrap, nowhere else.',
      );
}
