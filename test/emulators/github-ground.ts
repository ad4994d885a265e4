import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Octokit } from 'octokit';
import type { Clock } from '../../src/kernel/index.js';
import { startGithubEmulator, type GithubEmulator } from './github.js';
import type {
  GithubApp,
  GithubInstallation,
  GithubOrganization,
  GithubRepository,
  GithubUser,
} from './github-world.js';

/** GitHub with acme, its owner alice, an App installed on acme/widget and not on acme/gadget, and a stranger. */
export interface GithubGround {
  github: GithubEmulator;
  folder: string;
  /** What this GitHub takes for now, where it has no clock that runs. Octokit signs its JWTs by the clock of this machine. */
  now: Date;
  alice: GithubUser;
  mallory: GithubUser;
  acme: GithubOrganization;
  widget: GithubRepository;
  gadget: GithubRepository;
  app: GithubApp;
  installation: GithubInstallation;
  close(): Promise<void>;
}

export async function startGithubGround(clock?: Clock): Promise<GithubGround> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-github-'));
  const time = { now: new Date() };
  const root = await mkdtemp(join(folder, 'root-'));
  const github = await startGithubEmulator({ root, clock: clock ?? { now: () => time.now } });
  const { make } = github;
  const alice = make.user('alice');
  const mallory = make.user('mallory');
  const acme = make.organization('acme', [alice]);
  const widget = await make.repository(acme, 'widget', { files: { 'WORKFLOW.md': 'Be kind.\n' } });
  const gadget = await make.repository(acme, 'gadget');
  const callbackUrls = ['http://berth.test/oauth/github/callback'];
  const app = make.app({ slug: 'berth-acme', owner: acme, callbackUrls });
  const installation = make.installation(app, acme, [widget.id]);
  const close = async (): Promise<void> => {
    await github.close();
    await rm(folder, { recursive: true, force: true });
  };
  const rest = { github, folder, alice, mallory, acme, widget, gadget, app, installation, close };
  return Object.assign(time, rest);
}

/** Octokit without waiting between calls and without trying again. */
export function quietOctokit({ github }: GithubGround): typeof Octokit {
  const settings = { baseUrl: github.apiUrl, throttle: { enabled: false }, retry: { enabled: false } };
  return Octokit.defaults(settings);
}

export function octokitApp(ground: GithubGround): App {
  const { app } = ground;
  return new App({ appId: app.id, privateKey: app.pem, Octokit: quietOctokit(ground) });
}

export function asInstallation(ground: GithubGround): Promise<Octokit> {
  return octokitApp(ground).getInstallationOctokit(ground.installation.id);
}

/** The status of a call, whether it was taken or refused. */
export function statusOf(call: Promise<{ status: number }>): Promise<number> {
  return call.then(
    ({ status }) => status,
    (error: unknown) => (error as { status: number }).status,
  );
}
