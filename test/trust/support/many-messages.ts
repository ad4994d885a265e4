import { setTimeout as delay } from 'node:timers/promises';
import type { MessageView } from '../../../src/contracts/index.js';
import { startTestApp, type TestApp, type TestOrganization } from '../../support/app.js';
import { exchange, rawRequest, type Cut, type RawAnswer } from '../../support/raw-http.js';
import { withClient } from '../../support/tables.js';
import { KEY } from '../../support/tenant-routes.js';
import type { Findings } from '../figure.js';

const AT_ONCE = 12;
const WORKSPACES = 12;
const MOST_TRIES = 60;
const WAIT_MS = 20;
/** Longer than the answer to a message, so that every byte of it has its turn. */
const ANSWER_BYTES = 1600;

/** Two replicas, and workspaces to write to. */
interface Stage {
  urls: string[];
  berth: TestApp;
  acme: TestOrganization;
  workspaceIds: string[];
  close(): Promise<void>;
}

/** Sends `count` messages, each until it is answered, through whatever comes in between. `change` may break the replicas, to see whether it is noticed. */
export async function sendMany(
  count: number,
  findings: Findings,
  change: (berth: TestApp) => void = () => undefined,
): Promise<void> {
  const stage = await setStage(change);
  try {
    await send(stage, count, findings);
  } finally {
    await stage.close();
  }
}

async function setStage(change: (berth: TestApp) => void): Promise<Stage> {
  const berth = await startTestApp();
  const second = await startTestApp({ beside: berth });
  [berth, second].forEach(change);
  const acme = await berth.founded('acme');
  await acme.owner.api.setCredential('user', 'anthropic_api_key', KEY);
  const workspaceIds: string[] = [];
  for (let at = 0; at < WORKSPACES; at++)
    workspaceIds.push((await acme.owner.api.createWorkspace({ repository: 'owner/name' })).id);
  await breakSometimes(berth);
  const close = async (): Promise<void> => {
    await second.close();
    await berth.close();
  };
  return { urls: [berth.url, second.url], berth, acme, workspaceIds, close };
}

/** Now and then the database breaks off just where an answer is kept, as if the process had died there. */
async function breakSometimes({ database }: TestApp): Promise<void> {
  await withClient(database.ownerUrl, (client) =>
    client.query(`CREATE SEQUENCE fault_times; GRANT USAGE ON fault_times TO PUBLIC;
      CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('fault_times') % 12 = 5 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER fault BEFORE INSERT ON idempotent_answer FOR EACH ROW EXECUTE FUNCTION fault()`),
  );
}

async function send(stage: Stage, count: number, findings: Findings): Promise<void> {
  const sender = new Sender(stage, findings);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await sender.send(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await countRows(stage, count, findings);
  for (const [name, number] of Object.entries(sender.counts)) findings.number(name, number);
}

class Sender {
  readonly counts = {
    requests: 0,
    'cut in the request': 0,
    'cut in the answer': 0,
    'answers 409': 0,
    'answers 503': 0,
  };

  constructor(
    private readonly stage: Stage,
    private readonly findings: Findings,
  ) {}

  /** One message: first cut off somewhere or doubled, then again until there is an answer. All its answers must be the same one. */
  async send(at: number): Promise<void> {
    const request = this.request(at);
    const ids = new Set<string>();
    const note = (answer: RawAnswer | null): boolean => {
      if (answer?.status !== 202) return false;
      ids.add((JSON.parse(answer.body) as MessageView).id);
      return true;
    };
    for (const answer of await this.firstTry(at, request)) note(answer);
    for (let tries = 0; ; tries++) {
      const answer = await this.once(at + tries, request, null);
      if (note(answer)) break;
      // Anything but "later" is a breach already, and told.
      if (answer && ![409, 503].includes(answer.status)) return;
      if (tries > MOST_TRIES) {
        this.findings.breach(`message ${at} was never answered`);
        return;
      }
      await delay(WAIT_MS);
    }
    this.findings.expect(ids.size === 1, `message ${at} has ${ids.size} answers`);
  }

  /** By turns: cut at each byte of the request, at each byte of the answer, twice or thrice at once, or simply sent. */
  private async firstTry(at: number, request: Buffer): Promise<(RawAnswer | null)[]> {
    const turn = Math.floor(at / 4);
    switch (at % 4) {
      case 0:
        this.counts['cut in the request']++;
        return [await this.once(at, request, { request: turn % (request.length + 1) })];
      case 1:
        this.counts['cut in the answer']++;
        return [await this.once(at, request, { answer: (turn * 7) % ANSWER_BYTES })];
      case 2:
        return Promise.all([0, 1, 2].map((more) => this.once(at + more, request, null)));
      default:
        return [];
    }
  }

  private async once(at: number, request: Buffer, cut: Cut): Promise<RawAnswer | null> {
    const { urls } = this.stage;
    this.counts.requests++;
    const answer = await exchange(urls[at % urls.length] ?? '', request, cut);
    if (answer?.status === 409) this.counts['answers 409']++;
    if (answer?.status === 503) this.counts['answers 503']++;
    if (answer && ![202, 409, 503].includes(answer.status))
      this.findings.breach(`message ${at}: ${answer.status} ${answer.body}`);
    if (answer && answer.status !== 202 && !answer.headers.includes('\r\nretry-after:'))
      this.findings.breach(`message ${at}: ${answer.status} without Retry-After`);
    return answer;
  }

  private request(at: number): Buffer {
    const { acme, workspaceIds } = this.stage;
    return rawRequest(
      {
        method: 'POST',
        path: acme.owner.api.path(`/workspaces/${workspaceIds[at % workspaceIds.length]}/messages`),
        headers: {
          authorization: `Bearer ${acme.owner.apiKey}`,
          'content-type': 'application/json',
          'idempotency-key': `message ${at}`,
        },
      },
      JSON.stringify({ text: `number ${at}` }),
    );
  }
}

/** What is there in the end, looked up past Berth. */
async function countRows({ berth }: Stage, count: number, findings: Findings): Promise<void> {
  const { rows } = await withClient(berth.database.ownerUrl, (client) =>
    client.query<{ text: string; messages: number; turns: number }>(
      `SELECT m.text, count(DISTINCT m.id)::int AS messages, count(t.id)::int AS turns
         FROM message m LEFT JOIN turn t ON t.id = m.id WHERE m.author_type = 'user' GROUP BY m.text`,
    ),
  );
  const found = new Map(rows.map((row) => [row.text, row]));
  let [lost, double] = [0, 0];
  for (let at = 0; at < count; at++) {
    const { messages = 0, turns = 0 } = found.get(`number ${at}`) ?? {};
    if (messages === 0 || turns === 0) lost++;
    if (messages > 1 || turns > 1) double++;
  }
  findings.expect(lost === 0, `${lost} messages are lost`);
  findings.expect(double === 0, `${double} messages are there more than once`);
  findings.expect(found.size === count, `${found.size} texts instead of ${count}`);
  findings.number('lost', lost);
  findings.number('double', double);
}
