import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  cliConfigFile,
  cliConfigPath,
  readAddress,
  readConnectionConfig,
  readLocalConfig,
} from './cli-config.js';

const key = 'berth_0123456789abcdefSECRET';
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'berth-cli-config-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function configFile(content: unknown, mode = 0o600): Promise<void> {
  const path = cliConfigPath({ HOME: home });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  await chmod(path, mode);
}

const read = (environment: Record<string, string>, flags = {}) =>
  readConnectionConfig(flags, { HOME: home, ...environment });

describe('the connection', () => {
  it('goes to the local Berth by default', async () => {
    const config = await read({ BERTH_API_KEY: key });
    expect(config).toMatchObject({ url: 'http://127.0.0.1:3000', organization: null });
    expect(config.apiKey.reveal()).toBe(key);
  });

  it('takes flags before the environment before the file', async () => {
    await configFile({ url: 'https://file.example/', apiKey: key, organization: 'of-file' });
    expect(await read({})).toMatchObject({ url: 'https://file.example', organization: 'of-file' });
    const environment = {
      BERTH_URL: 'https://env.example',
      BERTH_ORGANIZATION: 'of-env',
      BERTH_API_KEY: key,
    };
    expect(await read(environment)).toMatchObject({ url: 'https://env.example', organization: 'of-env' });
    const flags = { url: 'https://flag.example/berth/', organization: 'of-flag' };
    expect(await read(environment, flags)).toMatchObject({
      url: 'https://flag.example/berth',
      organization: 'of-flag',
    });
  });

  it('reads the key from a file named in the environment', async () => {
    await writeFile(join(home, 'key'), `${key}\n`);
    expect((await read({ BERTH_API_KEY_FILE: join(home, 'key') })).apiKey.reveal()).toBe(key);
  });

  it('does not send the stored key to another address', async () => {
    await configFile({ url: 'https://berth.example', apiKey: key });
    await expect(read({}, { url: 'https://elsewhere.example' })).rejects.toThrow(
      /no API key for https:\/\/elsewhere/,
    );
  });
});

it('says how to sign in when there is no key', async () => {
  await expect(read({})).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringMatching(/berth login.*BERTH_API_KEY/) as string,
  });
  expect(await readAddress({}, { HOME: home })).toBe('http://127.0.0.1:3000');
});

describe('the settings that are kept', () => {
  it('are readable by their owner alone, whatever the umask says', async () => {
    const file = cliConfigFile({ HOME: home });
    const before = process.umask(0);
    try {
      await file.write({ url: 'https://berth.example', apiKey: key, organization: 'acme' });
    } finally {
      process.umask(before);
    }
    expect((await stat(file.path)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file.path))).mode & 0o777).toBe(0o700);
    expect(await file.read()).toEqual({ url: 'https://berth.example', apiKey: key, organization: 'acme' });
  });

  it('replace a file that others could read, and leave nothing beside it', async () => {
    await configFile({ apiKey: key }, 0o644);
    const file = cliConfigFile({ HOME: home });
    await file.write({ apiKey: key });
    expect((await stat(file.path)).mode & 0o777).toBe(0o600);
    expect(await readdir(dirname(file.path))).toEqual(['config.json']);
  });

  it('say where they could not be written', async () => {
    await writeFile(join(home, 'file'), '');
    const file = cliConfigFile({ HOME: home, XDG_CONFIG_HOME: join(home, 'file') });
    await expect(file.write({})).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(file.path) as string,
    });
  });
});

describe('what is refused', () => {
  it.each([
    [{ BERTH_URL: 'ftp://x', BERTH_API_KEY: key }, 'BERTH_URL'],
    [{ BERTH_URL: 'http://user:password@x', BERTH_API_KEY: key }, 'BERTH_URL'],
    [{ BERTH_API_KEY: `${key} and more` }, 'BERTH_API_KEY'],
    [{ BERTH_API_KEY_FILE: '/nowhere/key' }, 'BERTH_API_KEY_FILE'],
  ] as [Record<string, string>, string][])('%j names %s', async (environment, name) => {
    const failure = await read(environment).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(name) as string,
    });
    expect(String(failure)).not.toContain('SECRET');
    expect(String(failure)).not.toContain('password@');
  });

  it('is a file with a key that others can read', async () => {
    await configFile({ apiKey: key }, 0o644);
    await expect(read({})).rejects.toThrow(/chmod 600/);
  });

  it.each([`{"apiKey": "${key}", oops}`, { apiKey: key, ulr: 'https://x' }, { apiKey: 'two words SECRET' }])(
    'is a broken file, without showing the key (%#)',
    async (content) => {
      await configFile(content);
      const failure = await read({}).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        code: 'config-invalid',
        message: expect.stringContaining('config.json') as string,
      });
      expect(String(failure)).not.toContain('SECRET');
    },
  );
});

describe('the local settings', () => {
  it("keep Berth's own variables from npm and pass on npm's", () => {
    const environment = {
      PATH: '/bin',
      HTTPS_PROXY: 'http://proxy:1',
      npm_config_registry: 'https://registry.example',
      BERTH_API_KEY: key,
      BERTH_ENCRYPTION_KEYS: 'k1:SECRET',
      DATABASE_URL: 'postgres://SECRET',
      ANTHROPIC_API_KEY: 'SECRET',
      CLAUDE_BIN: '/opt/claude',
    };
    const local = readLocalConfig(environment);
    expect(local.npmEnvironment).toEqual({
      PATH: '/bin',
      HTTPS_PROXY: 'http://proxy:1',
      npm_config_registry: 'https://registry.example',
    });
    expect(local).toMatchObject({
      claudeBin: '/opt/claude',
      codexBin: undefined,
      path: '/bin',
      noColor: false,
    });
    expect(readLocalConfig({ BERTH_DATA_DIR: '/var/lib/berth' }).dataDir).toBe('/var/lib/berth');
  });
});
