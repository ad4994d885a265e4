import { startGithubGround, type GithubGround } from '../../../test/emulators/github-ground.js';
import {
  loginEndpoints,
  startTestApp,
  type TestApp,
  type TestOrganization,
} from '../../../test/support/app.js';
import { tieGithub } from '../../../test/support/connections.js';
import { eventually } from '../../../test/support/eventually.js';
import { withClient } from '../../../test/support/tables.js';
import { Recoveries } from '../../triggers/index.js';

const never = new AbortController().signal;
const MINUTE_MS = 60_000;
const NOBODY = 'http://127.0.0.1:9/webhooks/github';

describe('what GitHub told while Berth was down', () => {
  let ground: GithubGround;
  let app: TestApp;
  let organization: TestOrganization;

  beforeAll(async () => {
    ground = await startGithubGround();
    const { github } = ground;
    app = await startTestApp({ parts: { loginEndpoints: loginEndpoints({ github }) } });
    organization = await app.founded('acme');
    await tieGithub(app.database.ownerUrl, organization.id, String(ground.installation.id));
  });
  afterAll(async () => {
    await app.close();
    await ground.close();
  });

  const received = async (): Promise<string[]> => {
    const { rows } = await withClient(app.database.ownerUrl, (client) =>
      client.query<{ id: string }>(
        `SELECT delivery_id AS id FROM delivery WHERE organization_id = $1 ORDER BY 1`,
        [organization.id],
      ),
    );
    return rows.map(({ id }) => id);
  };
  const tell = async (count: number, minutesAgo: number): Promise<string[]> => {
    const guids = Array.from({ length: count }, (_, n) => `${minutesAgo}-${n}`);
    ground.now = new Date(Date.now() - minutesAgo * MINUTE_MS);
    const body = { action: 'created', installation: { id: ground.installation.id } };
    for (const guid of guids) await ground.github.hooks.deliver('star', body, { guid });
    ground.now = new Date();
    return guids;
  };
  const look = (): Promise<void> => app.app.get(Recoveries, { strict: false }).run(never);

  it('is found, 500 of 500 and each once, as far back as GitHub keeps it; what came is left alone', async () => {
    ground.app.hookUrl = NOBODY;
    await tell(1, 75 * 60);
    const missed = [...(await tell(200, 69.6 * 60)), ...(await tell(150, 240)), ...(await tell(150, 5))];
    ground.app.hookUrl = `${app.url}/webhooks/github`;
    const came = await tell(3, 4);
    await look();
    const expected = [...missed, ...came].sort();
    await eventually('all of them came', async () => (await received()).length === expected.length);
    expect(await received()).toEqual(expected);
    const redelivered = (): string[] =>
      ground.github.hooks.deliveries.filter(({ redelivery }) => redelivery).map(({ guid }) => guid);
    expect(redelivered().sort()).toEqual([...missed].sort());
    // It is known to be there: nothing is asked for again.
    await look();
    expect(redelivered()).toHaveLength(missed.length);
  });

  it('what GitHub will not deliver again keeps nothing behind it', async () => {
    const { github } = ground;
    ground.app.hookUrl = NOBODY;
    const missed = await tell(3, 2);
    ground.app.hookUrl = `${app.url}/webhooks/github`;
    const there = async (): Promise<string[]> => (await received()).filter((id) => missed.includes(id));
    github.fail({ status: 422, times: 1, match: { method: 'POST', path: '/api/v3/app/hook/deliveries' } });
    await look();
    await eventually('the others came', async () => (await there()).length === 2);
    await look();
    await eventually('it came, too', async () => (await there()).length === 3);
  });
});
