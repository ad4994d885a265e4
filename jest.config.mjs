/** Real Postgres, real git, real agents: tests take their servers from test/support and never mock what they test. */
const base = {
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', {}] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testEnvironment: '<rootDir>/scripts/jest/environment.mjs',
  runtime: '<rootDir>/scripts/jest/runtime.mjs',
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
};
const tier = (name, roots) => ({
  ...base,
  displayName: name,
  roots,
  testMatch: [`**/*.${name}.test.ts`],
});
const withPostgres = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};
export default {
  projects: [
    tier('unit', ['<rootDir>/src', '<rootDir>/test']),
    { ...tier('integration', ['<rootDir>/src', '<rootDir>/test']), ...withPostgres },
    { ...tier('e2e', ['<rootDir>/test']), ...withPostgres },
    // The figures of docs/trust.md at a small number of rounds; `npm run trust` plays them in full.
    { ...tier('trust', ['<rootDir>/test/trust']), ...withPostgres },
  ],
  // One more than the two cores it is made for: whole Berths wait much.
  maxWorkers: 3,
  testSequencer: '<rootDir>/scripts/longest-first.mjs',
  // Jest keeps some 30 MB of each file that loads the app. A worker begins anew before that costs time.
  workerIdleMemoryLimit: '800MB',
  testTimeout: 60_000,
};
