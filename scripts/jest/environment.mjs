import { LegacyFakeTimers, ModernFakeTimers } from '@jest/fake-timers';
import { ModuleMocker } from 'jest-mock';

const WORDS = /^[fx]?(describe|it|test)$|^(before|after)(All|Each)$|^expect$/;
const SYMBOLS = /jest|EVENT_HANDLERS|RETRY|TEST_TIMEOUT/i;

/**
 * Jest's environment, without a realm of its own: tests, Berth and its libraries see one `Error`, one `Array` and one `process`, as in production, which is what lets the files of a worker
 * share what they load (see runtime.mjs). What Jest puts on `globalThis` for a file is taken off at its end.
 */
export default class OneRealm {
  constructor({ projectConfig: config }) {
    this.global = globalThis;
    this.console = console;
    this.exit = process.exit;
    this.moduleMocker = new ModuleMocker(globalThis);
    const timerConfig = { idToRef: (timer) => timer, refToId: (timer) => timer };
    const { moduleMocker } = this;
    this.fakeTimers = new LegacyFakeTimers({ config, global: globalThis, moduleMocker, timerConfig });
    this.fakeTimersModern = new ModernFakeTimers({ config, global: globalThis });
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  /** Jest wants the method to be there. Nobody calls it: see runtime.mjs. */
  getVmContext() {
    return null;
  }

  async setup() {}

  async teardown() {
    this.fakeTimers.dispose();
    this.fakeTimersModern.dispose();
    // Jest puts its own in their place for each file.
    process.exit = this.exit;
    globalThis.console = this.console;
    for (const name of Reflect.ownKeys(globalThis))
      if (isOfJest(name)) Reflect.deleteProperty(globalThis, name);
  }
}

function isOfJest(name) {
  return typeof name === 'symbol' ? SYMBOLS.test(name.description) : WORDS.test(name);
}
