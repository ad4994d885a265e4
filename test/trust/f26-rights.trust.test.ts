import { startAnthropicEmulator, type AnthropicEmulator } from '../emulators/anthropic.js';
import { startTestApp, type TestApp, type TestMember, type TestOrganization } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import type { Workspaces } from '../../src/proxy/workspaces.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { startProxyOf, StandIn } from './support/stand-in.js';

/**
 * The credential part: roles, repositories' mappings and Git are played where they are. Seen to fail: with `CallsUnderWay.begin` that keeps nothing, every stream comes to its end; with leases of five
 * seconds, calls are served for more than five where what is told is lost.
 */

const CUT_SECONDS = 10;
const REFUSED_SECONDS = 5;
const PIECE_MS = 100;
const LONG = 'slow 400';
const BYSTANDER_PIECES = playsInFull ? 120 : 20;

/** What is taken away, from whom, while the model speaks. */
const removals = ['the member', 'the credential', 'the consent'] as const;
type Removal = (typeof removals)[number];
/** Proxies are told at once; what is told may be lost. */
const ways = playsInFull ? (['told', 'lost'] as const) : (['told'] as const);

interface Ground {
  app: TestApp;
  model: AnthropicEmulator;
  proxies: Record<'told' | 'lost', Workspaces>;
}

let keys = 0;
function newKey({ model }: Ground, isKnown = true): string {
  const key = `sk-ant-api03-${String((keys += 1)).padStart(40, '0')}`;
  if (isKnown) model.accept(key);
  return key;
}

/** Who works, with what serves them: their own, or the organization's in place of one that is refused. */
async function equip(
  ground: Ground,
  organization: TestOrganization,
  member: TestMember,
  removal: Removal,
): Promise<string> {
  const serves = newKey(ground);
  const own = removal === 'the consent' ? newKey(ground, false) : serves;
  await member.api.setCredential('user', 'anthropic_api_key', { apiKey: own });
  if (own !== serves)
    await organization.owner.api.setCredential('organization', 'anthropic_api_key', { apiKey: serves });
  return serves;
}

async function takeAway(organization: TestOrganization, member: TestMember, removal: Removal): Promise<void> {
  const { api } = organization.owner;
  switch (removal) {
    case 'the member':
      await api.call('DELETE', api.path(`/members/${member.userId}`), undefined, 204);
      return;
    case 'the credential':
      await member.api.call('DELETE', member.api.path('/credentials/user/anthropic_api_key'), undefined, 204);
      return;
    case 'the consent':
      await api.call('PUT', api.path('/credential-policy'), { organizationFallback: false }, 200);
  }
}

const secondsSince = (begun: number): number => (performance.now() - begun) / 1000;

/** Longest times of each way, in seconds. */
class Longest {
  readonly #seconds = new Map<string, number>();
  note(name: string, seconds: number): void {
    this.#seconds.set(name, Math.max(this.#seconds.get(name) ?? 0, Math.round(seconds * 100) / 100));
  }
  tell(findings: Findings): void {
    for (const [name, seconds] of this.#seconds) findings.number(`${name}, longest, s`, seconds);
  }
}

async function lose(
  ground: Ground,
  slug: string,
  removal: Removal,
  way: 'told' | 'lost',
  findings: Findings,
  longest: Longest,
): Promise<void> {
  const name = `${slug}: ${removal}, ${way}`;
  const organization = await ground.app.founded(slug);
  const member = await ground.app.member(organization, 'member');
  const key = await equip(ground, organization, member, removal);
  const standIn = await StandIn.open(ground.app, ground.proxies[way], organization, member);
  let begun = false;
  const stream = standIn.ask(LONG, () => (begun = true));
  await eventually(`${name}: the model speaks`, () => begun);
  const at = performance.now();
  const wallAt = Date.now();
  await takeAway(organization, member, removal);
  const cut = stream.then(({ whole }) => {
    const seconds = secondsSince(at);
    longest.note(`stream cut, ${way}`, seconds);
    findings.expect(!whole && seconds <= CUT_SECONDS, `${name}: the stream ended after ${seconds} s`);
  });
  let answer = await standIn.ask('Good day');
  while (answer.status === 200 && secondsSince(at) < CUT_SECONDS) answer = await standIn.ask('Good day');
  const seconds = secondsSince(at);
  longest.note(`next call refused, ${way}`, seconds);
  findings.expect(
    answer.status >= 400 && seconds <= REFUSED_SECONDS,
    `${name}: ${answer.status} after ${seconds} s`,
  );
  await cut;
  const late = ground.model.requests.filter(
    (request) => request.credential.value === key && Date.parse(request.at) > wallAt + REFUSED_SECONDS * 1000,
  );
  findings.expect(late.length === 0, `${name}: the model was asked ${late.length} times with it later`);
  await standIn.close();
}

/** Somebody of another organization, whose stream nothing may touch. */
async function standBy(ground: Ground, slug: string, findings: Findings): Promise<void> {
  const organization = await ground.app.founded(slug);
  await organization.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: newKey(ground) });
  const standIn = await StandIn.open(ground.app, ground.proxies.told, organization, organization.owner);
  const { status, text, whole } = await standIn.ask(`slow ${BYSTANDER_PIECES}`);
  const pieces = text.split('"text_delta"').length - 1;
  findings.expect(
    status === 200 && whole && pieces >= BYSTANDER_PIECES,
    `${slug}: of another tenant, with ${pieces} pieces of ${BYSTANDER_PIECES}`,
  );
  await standIn.close();
}

figure(
  {
    id: 'F26 credentials',
    scenario:
      'the member, the credential, or the organization’s consent to serve in its place is removed while the model streams; the proxy is told, or what it was told is lost',
    line: 'the next model call is refused within 5 s, the running stream is cut within 10 s, other tenants’ streams come to their end',
    rounds: { small: 1, full: 20 },
    countedAt: 'the client’s end of the stream, the emulator’s ledger',
    time: 'real',
  },
  async (findings) => {
    const model = await startAnthropicEmulator({ pieceDelayMilliseconds: PIECE_MS });
    const app = await startTestApp();
    const proxies = { told: startProxyOf(app, model.url), lost: startProxyOf(app, model.url) };
    app.runtime.forget = (credentialId) => proxies.told.forget(credentialId);
    const ground = { app, model, proxies };
    const longest = new Longest();
    try {
      for (let round = 0; round < findings.rounds; round++) {
        const losses = removals.flatMap((removal, at) =>
          ways.map((way) => lose(ground, `r${round}-${at}-${way}`, removal, way, findings, longest)),
        );
        await Promise.all([standBy(ground, `bystander-${round}`, findings), ...losses]);
        model.reset();
      }
      findings.tried = findings.rounds * removals.length * ways.length;
      longest.tell(findings);
    } finally {
      await Promise.all([proxies.told.closeAll(), proxies.lost.closeAll()]);
      await app.close();
      await model.close();
    }
  },
);
