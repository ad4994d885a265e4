import { Seeded } from '../support/seeded.js';
import { AskedModels } from './support/asked-models.js';
import { Chain, complete, drawn, systematic, type Scenario } from './support/fallback-chains.js';
import { figure, playsInFull } from './figure.js';

const SEED = 9;
/** Workspaces at once. */
const lanes = playsInFull ? 6 : 3;

figure(
  {
    id: 'F9',
    scenario:
      'in workspaces that two members share, they ask in turn, by two replicas and the real proxy, with chains of their own and the organization’s Claude logins, setup tokens, workload identities, API keys and AWS keys for Bedrock. First every stage fails, and every two; then chains are drawn by a seed, most with a subscription that fails in front of a key that was set without the word that it may serve in its place. They are ended, refused, denied, out of quota, or not to be renewed for minutes',
    line: 'the one that serves is the one that a plain model of the order names; a key without consent serves in no other’s place; each answered turn has one receipt: whose, which kind and why, equal to the ledger; the other member’s own are used 0 times',
    rounds: { small: 9, full: 1_500 },
    countedAt:
      'the ledgers of both emulated providers: the key or token that they were really called with, at Bedrock the one that signed',
    time: 'injected',
    fullMinutes: 15,
  },
  async (findings) => {
    const all = scenarios(findings.rounds);
    const counts = {
      tempted: 0,
      fallbacks: 0,
      'left unserved': 0,
      calls: 0,
      'calls with the other member’s own': 0,
    };
    await AskedModels.play(lanes, async (lane, at) => {
      const [ada, bob] = lane.members;
      const chains = [await Chain.set(lane, ada, complete()), await Chain.set(lane, bob, complete())];
      const mine = all.filter((_, round) => round % lanes === at);
      for (const [turn, scenario] of mine.entries()) {
        const asker = turn % 2;
        const chain = await Chain.set(lane, asker === 0 ? ada : bob, scenario);
        const asked = await chain.ask(`turn ${turn}`);
        const foreign = asked.sent.filter(({ value }) => chains[1 - asker]?.owns(value)).length;
        const name = `turn ${turn} of lane ${at} (${chain.told})`;
        for (const breach of chain.breachesOf(asked)) findings.breach(`${name}: ${breach}`);
        findings.expect(foreign === 0, `${name}: the other member’s own was used`);
        counts.tempted += chain.tempts ? 1 : 0;
        counts.fallbacks += (chain.expected ?? 0) > 0 ? 1 : 0;
        counts['left unserved'] += chain.expected === null ? 1 : 0;
        counts.calls += asked.sent.length;
        counts['calls with the other member’s own'] += foreign;
        chains[asker] = chain;
      }
    });
    const { tempted, ...others } = counts;
    findings.number('keys without consent that were next', tempted);
    for (const [name, value] of Object.entries(others)) findings.number(name, value);
    findings.expect(tempted > findings.rounds / 4, `only ${tempted} keys without consent were next`);
  },
);

/** In full all that can be counted up, and then what is drawn; else some of both. */
function scenarios(rounds: number): Scenario[] {
  const random = new Seeded(SEED);
  const all = systematic();
  const known = playsInFull ? all : all.filter((_, at) => at % 20 === 4);
  return [...known, ...Array.from({ length: rounds - known.length }, () => drawn(random))];
}
