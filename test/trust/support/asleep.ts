import type { AnthropicEmulator } from '../../emulators/anthropic.js';
import type { IssuedPair } from '../../emulators/login-book.js';
import type { TestApp, TestMember, TestOrganization } from '../../support/app.js';
import type { Workspaces } from '../../../src/proxy/workspaces.js';
import type { Findings } from '../figure.js';
import { StandIn } from './stand-in.js';

/** What a workspace meets: the whole Berth but its host, and a provider with a ledger. */
export interface Ground {
  app: TestApp;
  proxy: Workspaces;
  model: AnthropicEmulator;
  organization: TestOrganization;
}

/** What is there before it sleeps, what happens meanwhile, and what serves the first message after it. */
interface Change {
  before: ('login' | 'key')[];
  meanwhile(lane: Lane): Promise<unknown>;
  /** `next`: the login that was connected meanwhile. */
  serves: 'login' | 'key' | 'next' | 'owner';
  /** Calls that the provider refuses: only of what it ended without a word to Berth. */
  refused: 0 | 1;
}

const login = '/credentials/user/claude_oauth';

export const changes: Readonly<Record<string, Change>> = {
  'renewed upstream and in Berth': {
    before: ['login', 'key'],
    meanwhile: ({ member: { api } }) => api.post(api.path(`${login}/rotate`), undefined, 200),
    serves: 'login',
    refused: 0,
  },
  'its token is revoked': {
    before: ['login', 'key'],
    meanwhile: ({ ground, pair }) => {
      ground.model.logins.book.revokeLiving(pair?.lineage);
      return Promise.resolve();
    },
    serves: 'login',
    refused: 1,
  },
  'the login is ended': {
    before: ['login', 'key'],
    meanwhile: ({ ground, pair }) => {
      ground.model.logins.book.end(pair?.lineage);
      return Promise.resolve();
    },
    serves: 'key',
    refused: 1,
  },
  replaced: {
    before: ['login', 'key'],
    meanwhile: (lane) => lane.connect(),
    serves: 'next',
    refused: 0,
  },
  deleted: {
    before: ['login', 'key'],
    meanwhile: ({ member: { api } }) => api.call('DELETE', api.path(login), undefined, 204),
    serves: 'key',
    refused: 0,
  },
  'a better kind is added': {
    before: ['key'],
    meanwhile: (lane) => lane.connect(),
    serves: 'next',
    refused: 0,
  },
  'who asked last is removed': {
    before: ['login'],
    meanwhile: ({ ground: { organization }, member }) => {
      const { api } = organization.owner;
      return api.call('DELETE', api.path(`/members/${member.userId}`), undefined, 204);
    },
    serves: 'owner',
    refused: 0,
  },
};

let keys = 0;

/** One workspace that sleeps while something happens to what serves it. */
export class Lane {
  pair: IssuedPair | null = null;
  #first: IssuedPair | null = null;
  #key = '';
  standIn!: StandIn;

  private constructor(
    readonly ground: Ground,
    readonly member: TestMember,
  ) {}

  /** The member brings a login that was made a moment ago. */
  async connect(): Promise<void> {
    this.pair = this.ground.model.logins.issue();
    const { accessToken, refreshToken, expiresAt } = this.pair;
    const brought = { accessToken, refreshToken, expiresAt: expiresAt.toISOString() };
    await this.member.api.setCredential('user', 'claude_oauth', brought);
  }

  async #setKey(): Promise<void> {
    this.#key = newKey(this.ground.model);
    await this.member.api.setCredential('user', 'anthropic_api_key', { apiKey: this.#key });
  }

  static async play(ground: Ground, name: string, findings: Findings): Promise<void> {
    const change = changes[name];
    if (!change) throw new Error(`There is no change ${name}`);
    const member = await ground.app.member(ground.organization, 'member');
    const lane = new Lane(ground, member);
    if (change.before.includes('key')) await lane.#setKey();
    if (change.before.includes('login')) await lane.connect();
    lane.#first = lane.pair;
    // Shared, so that somebody else can wake what who is removed used last.
    const isShared = change.serves === 'owner';
    const owner = isShared ? ground.organization.owner : member;
    lane.standIn = await StandIn.open(ground.app, ground.proxy, ground.organization, owner);
    const { id } = lane.standIn;
    if (isShared) await owner.api.call('PATCH', owner.api.path(`/workspaces/${id}`), { shared: true }, 202);
    const begun = await lane.standIn.turn(member.api, 'Good evening');
    findings.expect(begun.state === 'completed', `${name}: ${begun.state} before it slept`);
    await lane.standIn.sleep(owner.api);
    await change.meanwhile(lane);
    const calls = ground.model.requests.length;
    const woken = await lane.standIn.turn(owner.api, 'Good morning');
    findings.expect(
      woken.state === 'completed',
      `${name}: the first message ${woken.state}: ${woken.error?.message ?? ''}`,
    );
    lane.#check(name, change, calls, findings);
    await lane.standIn.close();
  }

  #check(name: string, { serves, refused }: Change, calls: number, findings: Findings): void {
    const mine = this.ground.model.requests
      .slice(calls)
      .filter(({ path, credential }) => path === '/v1/messages' && this.#isOurs(credential.value, serves));
    const refusals = mine.filter(({ status }) => status !== 200).length;
    findings.expect(refusals === refused, `${name}: ${refusals} calls were refused`);
    const served = mine.filter(({ status }) => status === 200).map(({ credential }) => credential.value);
    const isRight = served.length === 1 && served.every((value) => this.#isServing(value, serves));
    findings.expect(isRight, `${name}: not served by the ${serves} alone`);
  }

  /** Whatever this lane may be served with, and could wrongly be. */
  #isOurs(value: string, serves: Change['serves']): boolean {
    if (serves === 'owner' && value === ownerKey) return true;
    const { book } = this.ground.model.logins;
    const lineages = [this.#first, this.pair].map((pair) => pair?.lineage);
    return value === this.#key || lineages.includes(book.stateOf(value)?.lineage ?? 'none');
  }

  #isServing(value: string, serves: Change['serves']): boolean {
    const { book } = this.ground.model.logins;
    if (serves === 'key') return value === this.#key;
    if (serves === 'owner') return value === ownerKey;
    return book.stateOf(value)?.lineage === this.pair?.lineage && book.stateOf(value)?.state === 'living';
  }
}

let ownerKey = '';

/** The owner's own key, with which nobody else is served. */
export async function equipOwner({ model, organization }: Ground): Promise<void> {
  ownerKey = newKey(model);
  await organization.owner.api.setCredential('user', 'anthropic_api_key', { apiKey: ownerKey });
}

function newKey(model: AnthropicEmulator): string {
  const key = `sk-ant-api03-${String((keys += 1)).padStart(40, '0')}`;
  model.accept(key);
  return key;
}
