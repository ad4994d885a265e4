import { diagnose } from './diagnosis.js';

it('of a right environment is its configuration', () => {
  const { config, machine, problem, unknown } = diagnose({
    PORT: '4000',
    BERTH_URL: 'http://127.0.0.1:4000',
  });
  expect(config?.http.port).toBe(4000);
  expect(machine).toBe(config);
  expect(problem).toBeNull();
  expect(unknown).toEqual([]);
});

it('names what is wrong, and keeps what the machine’s checks need', () => {
  const { config, machine, problem } = diagnose({
    PORT: 'http',
    BERTH_DATA_DIR: '/srv/berth',
    BERTH_SANDBOX: 'off',
  });
  expect(config).toBeNull();
  expect(problem?.message).toContain('PORT: must be a whole number');
  expect(machine).toMatchObject({ dataDirectory: '/srv/berth', runtime: { sandbox: 'off' } });
});

it('does with nothing but PATH when even those are wrong', () => {
  const { machine } = diagnose({ BERTH_SANDBOX: 'maybe', PATH: '/bin', BERTH_DATA_DIR: '/srv/berth' });
  expect(machine.runtime).toMatchObject({ path: '/bin', sandbox: 'required' });
});

it('finds typing errors, and leaves the variables of others alone', () => {
  const environment = { BERTH_PROT: '1', BERTH_API_KEY: 'k', BERTH_PROXY_OPENAI_PORT: '1', HOME: '/root' };
  expect(diagnose(environment).unknown).toEqual(['BERTH_PROT']);
});
