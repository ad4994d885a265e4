import { breaker } from '../../src/triggers/asks/breaker.js';
import { figure, playsInFull, type Findings } from './figure.js';
import { LoopGround } from './support/loop-ground.js';
import { loops, onPull, type Loop } from './support/loops.js';

/** So often is written back: beyond what each may do, and in full much more often. */
const TURNS = 24;
const turnsOf = ({ extra }: Loop): number => (playsInFull ? TURNS : extra + 4);
/** A person who is quick, and does not go round in circles: seconds after each answer. */
const LIVELY = [1, 1, 12, 2, 2, 20, 1, 5, 60, 2, 2, 15, 30, 1, 1];

/**
 * Seen to fail: with what is asked at once not counted, with nothing looked at before GitHub and Linear are asked, and with the words of the breaker held back like all others.
 */
figure(
  {
    id: 'F19',
    scenario: `one person asks, and then ${TURNS} times somebody writes back to each answer: by ${loops.length} ways in which software writes at GitHub and Linear, from Berth's own comment to what has a person's own token; and a person who is quick. Where somebody takes their time, rows are set back by it`,
    line: `whoever a payload shows to be software starts nothing more and costs no call; an automation that may ask starts 1 job more; what has a person's token and answers at once is stopped after ${breaker.atOnce - 1} more, what takes its time within ${breaker.inConversation} messages in ${breaker.windowSeconds / 60} minutes; it is said once, seen in the conversation's state, and 0 calls are made after it; a quick person is never stopped`,
    rounds: { small: 1, full: 5 },
    countedAt: 'rows of asks that became messages; what GitHub and Linear were sent, in their emulators',
    time: 'real',
  },
  async (findings) => {
    const ground = await LoopGround.start();
    try {
      for (let round = 0; round < findings.rounds; round++) {
        for (const loop of loops) await play(ground, loop, findings);
        await lively(ground, findings);
      }
      findings.tried =
        findings.rounds * (loops.reduce((sum, loop) => sum + turnsOf(loop), 0) + LIVELY.length);
    } finally {
      await ground.close();
    }
  },
);

async function play(ground: LoopGround, loop: Loop, findings: Findings): Promise<void> {
  const talk = await loop.begin(ground);
  await ground.handleAll();
  await ground.answer(talk);
  const before = { jobs: await ground.jobs(talk), calls: ground.calls() };
  let after: number | null = null;
  for (let turn = 0; turn < turnsOf(loop); turn++) {
    await ground.setBack(talk, loop.seconds ?? 0);
    const outcomes = await ground.during(() => loop.writesBack(ground, talk, turn));
    await ground.answer(talk);
    const isStopped = outcomes.includes('stopped-by-breaker');
    if (isStopped) after ??= ground.calls();
    findings.expect(
      after === null || isStopped,
      `${loop.name}: heard again after it was stopped (${outcomes.join(', ')})`,
    );
  }
  const more = (await ground.jobs(talk)) - before.jobs;
  findings.number(`more by ${loop.name}`, more);
  findings.expect(more <= loop.extra, `${loop.name}: ${more} jobs more`);
  if (loop.isTold) {
    const calls = ground.calls() - before.calls;
    findings.expect(calls === 0, `${loop.name}: ${calls} calls`);
    return;
  }
  const later = after === null ? null : ground.calls() - after;
  findings.expect(later === 0, `${loop.name}: ${later ?? 'never stopped, any'} calls after it was stopped`);
  const { states, said, told, withWorkspace } = await ground.shown(talk);
  findings.expect(
    states.filter((state) => state === 'paused').length === 1,
    `${loop.name}: ${states.join()}`,
  );
  findings.expect(said === 1, `${loop.name}: said ${said} times there`);
  findings.expect(told === withWorkspace, `${loop.name}: told ${told} times in events`);
}

/** Who has the next thing ready now and then is a person. */
async function lively(ground: LoopGround, findings: Findings): Promise<void> {
  const talk = await onPull(ground);
  await ground.handleAll();
  for (const [at, seconds] of LIVELY.entries()) {
    await ground.answer(talk);
    await ground.setBack(talk, seconds);
    const [outcome = 'nothing'] = await ground.during(() =>
      ground.comments(talk, ground.ann, `@berth-acme and now number ${at}`),
    );
    findings.expect(outcome === 'continued', `a quick person: ${outcome} at ${at}`);
  }
}
