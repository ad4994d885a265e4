import { Bench } from '../../../test/support/bench.js';
import type { AuditEntryView } from '../../contracts/index.js';
import { EndingLogins } from '../index.js';

const DAY_MS = 24 * 3600 * 1000;

describe('a login that its provider ends after 30 days', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await Bench.start();
  });
  afterAll(() => bench.close());

  let logins = 0;
  async function connect(by = bench.api): Promise<void> {
    const name = String((logins += 1)).padStart(40, '0');
    await by.setCredential('user', 'claude_oauth', {
      accessToken: `sk-ant-oat01-${name}`,
      refreshToken: `sk-ant-ort01-${name}`,
      expiresAt: new Date(bench.clock.now().getTime() + 365 * DAY_MS).toISOString(),
    });
  }
  const tellAll = (): Promise<void> => bench.app.app.get(EndingLogins, { strict: false }).tellAll();
  const booked = async (): Promise<AuditEntryView[]> => {
    const path = bench.api.path('/audit?action=credential.login-ending');
    return (await bench.api.get<{ items: AuditEntryView[] }>(path)).body.items;
  };
  const told = async (id: string) =>
    (await bench.eventsOf(id, 'credential.state')).map(({ data }) => [data.status, data.message]);

  it('is told three days before to workspaces that use it, and booked, each once; a new login is another', async () => {
    await connect();
    const endsAt = new Date(bench.clock.now().getTime() + 30 * DAY_MS).toISOString();
    const [{ id, proxy }, idle] = [await bench.running({ message: 'work' }), await bench.running()];
    bench.clock.advance(27 * DAY_MS - 1000);
    await proxy.lease();
    await tellAll();
    expect(await booked()).toEqual([]);
    bench.clock.advance(1000);
    await Promise.all([tellAll(), tellAll()]);
    await tellAll();
    const message = `The Claude login ends at ${endsAt}, whatever is renewed until then: connect it again before.`;
    expect(await told(id)).toEqual([['active', message]]);
    expect(await told(idle.id)).toEqual([]);
    expect(await booked()).toMatchObject([
      { subject: { name: 'claude_oauth' }, details: { scope: 'user', endsAt, owner: bench.owner.userId } },
    ]);
    await connect();
    await tellAll();
    expect(await booked()).toHaveLength(1);
    bench.clock.advance(27 * DAY_MS);
    await proxy.lease();
    await tellAll();
    expect(await booked()).toHaveLength(2);
    expect(await told(id)).toHaveLength(2);
  });

  it('keeps nobody else from being told while nothing can be booked of it, and is told later', async () => {
    await connect();
    const [first] = await bench.sql(`SELECT id FROM credential WHERE kind = 'claude_oauth'`);
    const colleague = await bench.app.member(bench.organization, 'member');
    // Comes after it, since ids are made in order.
    await connect(colleague.api);
    bench.clock.advance(27 * DAY_MS);
    const before = (await booked()).length;
    await bench.sql(
      `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
       CREATE TRIGGER broken BEFORE INSERT ON audit_entry FOR EACH ROW WHEN (NEW.subject_id = '${String(first?.id)}') EXECUTE FUNCTION broken()`,
    );
    await tellAll();
    const owners = async () =>
      (await booked()).slice(0, -before || undefined).map(({ details }) => details.owner);
    expect(await owners()).toEqual([colleague.userId]);
    await bench.sql('DROP FUNCTION broken CASCADE');
    await tellAll();
    expect(await owners()).toEqual([bench.owner.userId, colleague.userId]);
  });

  it('and is not told of one that it has ended already', async () => {
    await connect();
    await bench.sql(`UPDATE credential SET status = 'rejected' WHERE kind = 'claude_oauth'`);
    const before = (await booked()).length;
    bench.clock.advance(28 * DAY_MS);
    await tellAll();
    expect(await booked()).toHaveLength(before);
  });
});
