import { Database } from '../../src/database/index.js';
import { embeddedSuperuserUrl } from '../../src/database/embedded/index.js';
import { eventsStore } from '../../src/events/index.js';
import { withDatabase } from '../../test/support/postgres.js';
import type { Bench, BenchContext, Row } from '../bench.js';
import { found, within } from '../support/deadline.js';
import { postgresRoundTrip } from '../support/round-trip.js';
import { timeRow } from '../support/samples.js';
import { API_KEY, BenchSystem, type RunningWorkspace } from '../support/system.js';

const NOTICES = 100;
const EVENTS = 100;
const MESSAGES = 10;
const PIECES = 20;

/** How soon a reader of the event stream sees what happened. */
export const events: Bench = { name: 'events', run };

async function run(context: BenchContext): Promise<Row[]> {
  const system = await BenchSystem.start(context);
  const workspace = await system.runningWorkspace(context);
  const url = await ownServerUrl(system);
  context.say('notices');
  const bare = await postgresRoundTrip(context, url);
  const yardstick = { what: bare.what, samples: [] as number[] };
  for (let count = 0; count < NOTICES; count++) yardstick.samples.push(await bare.once());
  context.say('events');
  const { transaction, seen } = await appendedEvents(context, system, workspace, url);
  const queued = await queuedMessages(context, system, workspace);
  context.say('pieces of an answer');
  const direct = {
    what: 'the same piece, read from the model directly',
    samples: await piecesDirectly(system),
  };
  const pieces = await piecesThroughBerth(system, workspace);
  return [
    timeRow('event written in another process to seen on the stream', seen, yardstick),
    timeRow('  besides: the transaction that writes it', transaction, yardstick),
    timeRow('POST /messages to “queued” on the stream', queued, yardstick),
    timeRow('piece of the model’s answer to seen on the stream', pieces, direct),
  ];
}

/** The database of this Berth, as superuser: the bench plays another process of Berth. */
async function ownServerUrl({ berth }: BenchSystem): Promise<string> {
  return withDatabase(await embeddedSuperuserUrl(`${berth.dataDirectory}/postgres`), 'berth');
}

/** Events that this process writes with Berth's own store: how long the writing took, and from its commit to the stream. */
async function appendedEvents(
  context: BenchContext,
  system: BenchSystem,
  workspace: RunningWorkspace,
  url: string,
): Promise<{ transaction: number[]; seen: number[] }> {
  const database = new Database(url);
  context.defer(() => database.close());
  const { body } = await system.api.get<{ id: string }>(system.api.path(''));
  const [transaction, seen]: [number[], number[]] = [[], []];
  for (let count = 0; count < EVENTS; count++) {
    const begun = performance.now();
    const event = { type: 'agent.text' as const, at: new Date(), data: { text: `event ${count}` } };
    await database.tenant(body.id, (tenant) => eventsStore.append(tenant, workspace.id, [event]));
    const written = performance.now();
    const { at } = await workspace.stream.next('the event', ({ data }) => data.text === event.data.text);
    transaction.push(written - begun);
    seen.push(at - written);
  }
  return { transaction, seen };
}

/** From the sending of a message to its first event. */
async function queuedMessages(
  context: BenchContext,
  system: BenchSystem,
  workspace: RunningWorkspace,
): Promise<number[]> {
  const samples: number[] = [];
  for (let count = 1; count <= MESSAGES; count++) {
    context.say(`message ${count} of ${MESSAGES}`);
    const begun = performance.now();
    const { id } = await system.api.send(workspace.id, 'Good day');
    const { at } = await workspace.stream.next(
      'the message is queued',
      ({ type, data }) => type === 'message.state' && data.messageId === id && data.state === 'queued',
    );
    samples.push(at - begun);
    await system.untilCompleted(workspace, id);
  }
  return samples;
}

/** Through proxy, sandbox, stand-in agent, runner and database: from the moment the model lets a piece go. */
async function piecesThroughBerth(system: BenchSystem, workspace: RunningWorkspace): Promise<number[]> {
  const { id } = await system.api.send(workspace.id, `slow ${PIECES}`);
  const samples: number[] = [];
  for (let piece = 1; piece <= PIECES; piece++) {
    await pieceWaits(system);
    const begun = performance.now();
    system.anthropic.release();
    const { at } = await workspace.stream.next('the piece', ({ type }) => type === 'agent.text');
    samples.push(at - begun);
  }
  await system.untilCompleted(workspace, id);
  return samples;
}

async function piecesDirectly(system: BenchSystem): Promise<number[]> {
  const response = await fetch(`${system.anthropic.url}/v1/messages`, {
    method: 'POST',
    headers: {
      'x-api-key': API_KEY,
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
    },
    body: JSON.stringify({
      model: 'claude-sonnet-4-6',
      max_tokens: 1024,
      stream: true,
      messages: [{ role: 'user', content: `slow ${PIECES}` }],
    }),
  });
  if (!response.ok || !response.body) throw new Error(`The emulator answered ${response.status}.`);
  const samples: number[] = [];
  const decoder = new TextDecoder();
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  for (let piece = 1; piece <= PIECES; piece++) {
    await pieceWaits(system);
    const begun = performance.now();
    system.anthropic.release();
    for (let text = ''; !text.includes(`piece ${piece} of`);) {
      const { value, done } = await within('the piece', reader.read());
      if (done) throw new Error('The answer ended early.');
      text += decoder.decode(value, { stream: true });
    }
    samples.push(performance.now() - begun);
  }
  await reader.cancel();
  return samples;
}

async function pieceWaits({ anthropic }: BenchSystem): Promise<void> {
  await found('a piece waits', () => (anthropic.waiting === 1 ? true : null));
}
