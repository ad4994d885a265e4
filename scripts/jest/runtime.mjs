import vm from 'node:vm';
import Runtime from 'jest-runtime';
import { SharedModules } from './shared-modules.mjs';

const ESM = {
  isInternalModule: false,
  supportsDynamicImport: true,
  supportsExportNamespaceFrom: true,
  supportsStaticESM: true,
  supportsTopLevelAwait: true,
};

/** What the files of this worker have loaded so far. */
const shared = new SharedModules();

/**
 * Jest's module system, in which the files of a worker share Berth and its libraries (see shared-modules.mjs). A test file itself, and what it imports of `test` and of `support` folders, is
 * loaded for each file as before, and so keeps what it remembers to itself. It stands on the insides of Jest's own runtime: look here first when Jest is updated.
 */
export default class SharingRuntime extends Runtime {
  constructor(...given) {
    super(...given);
    const { esmLoader, executor, transformCache } = this;
    shared.begin(transformCache.getSourceMaps(), (file) => transformCache.transform(file, ESM));
    const ofJest = esmLoader.resolveModule.bind(esmLoader);
    // Undefined is the realm we are in: see environment.mjs.
    esmLoader.getContext = () => undefined;
    esmLoader.resolveModule = async (specifier, from, context) => {
      if (specifier === '@jest/globals') return ofJest(specifier, from, context);
      const file = shared.fileOf(specifier, from);
      if (file === null) return shared.library(specifier);
      return shared.isShared(file) ? shared.module(file) : esmLoader.loadEsmModule(file);
    };
    // Jest's own parts, which it loads for each file.
    executor.compile = (source, filename) =>
      vm.compileFunction(source, executor.injectedModuleParameters, { filename });
  }
}
