import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

const SOURCE = path.join(import.meta.dirname, '..', '..', 'src') + path.sep;
const OF_TESTS = /\.test\.ts$|\/(support|testing|fixtures)\//;

/**
 * Modules that a worker loads once for all its test files: the libraries, as Node itself loads them, and Berth's own of `src`. Loading them took a file that starts the app one to two seconds
 * of computing, and their functions were never warm. Berth's modules remember nothing (time, ids and configuration are arguments), so that files do not see each other by them.
 */
export class SharedModules {
  /** Specifier -> promise of the module. */
  #libraries = new Map();
  /** File -> module. */
  #modules = new Map();
  /** What an import means -> file. */
  #files = new Map();
  /** File -> file of its source map, for the stacks of errors. */
  #sourceMaps = new Map();
  #transform;
  #last = Promise.resolve();

  /** A test file begins: it gets the source maps of what is loaded, and transforms what is not. */
  begin(sourceMaps, transform) {
    for (const [file, map] of this.#sourceMaps) sourceMaps.set(file, map);
    this.#transform = (file) => {
      const code = transform(file);
      if (sourceMaps.has(file)) this.#sourceMaps.set(file, sourceMaps.get(file));
      return code;
    };
  }

  /** The file of ours that is meant, `.ts` for `.js`; null for a library. */
  fileOf(specifier, from) {
    if (!/^[./]/.test(specifier)) return null;
    const wanted = path.resolve(path.dirname(from), specifier);
    let file = this.#files.get(wanted);
    if (file === undefined) {
      const typescript = wanted.replace(/\.js$/, '.ts');
      file = existsSync(typescript) ? typescript : wanted;
      this.#files.set(wanted, file);
    }
    return file;
  }

  isShared(file) {
    return file.startsWith(SOURCE) && !OF_TESTS.test(file);
  }

  library(specifier) {
    let library = this.#libraries.get(specifier);
    if (library === undefined) {
      library = loadLibrary(specifier);
      this.#libraries.set(specifier, library);
    }
    return library;
  }

  /** The module of this file, evaluated. One after the other: what two have in common could not be linked twice at once. */
  module(file) {
    const module = this.#modules.get(file);
    if (module?.status === 'evaluated') return Promise.resolve(module);
    const loaded = this.#last.then(() => this.#evaluated(file));
    this.#last = loaded.catch(() => undefined);
    return loaded;
  }

  async #evaluated(file) {
    const module = this.#moduleOf(file);
    if (module.status === 'unlinked')
      await module.link((specifier, { identifier }) => this.#imported(specifier, identifier));
    await module.evaluate();
    return module;
  }

  #imported(specifier, from) {
    const file = this.fileOf(specifier, from);
    return file === null ? this.library(specifier) : this.#moduleOf(file);
  }

  #moduleOf(file) {
    let module = this.#modules.get(file);
    if (module === undefined) {
      module = new vm.SourceTextModule(this.#transform(file), {
        identifier: file,
        initializeImportMeta: (meta) =>
          Object.assign(meta, {
            url: pathToFileURL(file).href,
            filename: file,
            dirname: path.dirname(file),
          }),
        importModuleDynamically: (specifier) => {
          const imported = this.fileOf(specifier, file);
          return imported === null ? this.library(specifier) : this.module(imported);
        },
      });
      this.#modules.set(file, module);
    }
    return module;
  }
}

/** Of what Node loaded. */
async function loadLibrary(specifier) {
  const loaded = await import(specifier);
  const names = Object.keys(loaded);
  const module = new vm.SyntheticModule(names, function () {
    for (const name of names) this.setExport(name, loaded[name]);
  });
  await module.link(() => undefined);
  await module.evaluate();
  return module;
}
