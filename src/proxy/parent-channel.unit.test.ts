import type { ProxyMessage } from '../contracts/proxy.js';
import { ParentChannel } from './parent-channel.js';
import { RecordingLog } from './testing/proxy-under-test.js';

const URLS = {
  internalUrl: 'http://127.0.0.1:1',
  anthropicUrl: 'https://a.example',
  openaiUrl: 'https://o.example',
  chatgptUrl: 'https://c.example',
  bedrockUrl: 'https://d.example',
  bedrockModels: {},
};
const WORKSPACE_ID = '0198c0de-1111-7000-8000-000000000002';

function setUp() {
  const sent: ProxyMessage[] = [];
  const log = new RecordingLog();
  return { sent, log, channel: new ParentChannel({ send: (message) => void sent.push(message) }, { log }) };
}

describe('ParentChannel', () => {
  it('is ready once configured, and keeps its first configuration', async () => {
    const { sent, log, channel } = setUp();
    await channel.receive({ type: 'configure', ...URLS });
    await channel.receive({ type: 'configure', ...URLS });
    expect(sent).toEqual([{ type: 'ready' }]);
    expect(log.lines.join()).toContain('configured twice');
    await channel.close();
  });

  it.each([
    { ...URLS, anthropicUrl: 'ftp://a.example' },
    { ...URLS, anthropicUrl: 'no url' },
  ])('says why a configuration is refused: %j', async (urls) => {
    const { sent, channel } = setUp();
    await channel.receive({ type: 'configure', ...urls });
    expect(sent).toMatchObject([{ type: 'failed', requestId: 'configure' }]);
  });

  it('fails commands before the configuration, and closes what is not open', async () => {
    const { sent, channel } = setUp();
    await channel.receive({ type: 'close', requestId: '1', workspaceId: WORKSPACE_ID });
    await channel.receive({ type: 'configure', ...URLS });
    await channel.receive({ type: 'close', requestId: '2', workspaceId: WORKSPACE_ID });
    expect(sent).toMatchObject([
      { type: 'failed', requestId: '1' },
      { type: 'ready' },
      { type: 'done', requestId: '2' },
    ]);
    await channel.close();
  });

  it.each([null, 'text', { type: 'unknown' }, { type: 'open', proxyToken: 'canary' }])(
    'outlives the unreadable message %j and repeats nothing of it',
    async (message) => {
      const { sent, log, channel } = setUp();
      await channel.receive(message);
      expect(sent).toEqual([]);
      expect(log.lines.join()).not.toContain('canary');
    },
  );
});
