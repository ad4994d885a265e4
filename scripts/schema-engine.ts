import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { PrismaPg } from '@prisma/adapter-pg';

/**
 * SQL that leads from what the database at `ownerUrl` is (or from nothing; the engine wants a connection all the same) to what prisma/schema.prisma says. Empty text: they agree.
 * Uses Prisma's own schema engine as WebAssembly, which needs no downloaded binary; its npm package is made for bundlers, so it is
 * instantiated by hand here.
 */
export async function diffToSchema(
  from: 'empty' | 'database',
  ownerUrl: string,
  schemaPath: string,
): Promise<string> {
  const engineModule = await (engine ??= loadEngine());
  const files = [{ path: schemaPath, content: await readFile(schemaPath, 'utf8') }];
  const adapter = bindMigrationAwareSqlAdapterFactory(new ReadableCatalog({ connectionString: ownerUrl }));
  const datamodels: [string, string][] = files.map((file) => [file.path, file.content]);
  const session = await engineModule.SchemaEngine.new({ datamodels }, () => undefined, adapter);
  const filters = { externalTables: ['public._prisma_migrations'], externalEnums: [] };
  const source =
    from === 'empty'
      ? { tag: 'empty' as const }
      : { tag: 'schemaDatasource' as const, files, configDir: path.dirname(schemaPath) };
  const result = await session.diff({
    from: source,
    to: { tag: 'schemaDatamodel', files },
    script: true,
    exitCode: null,
    filters,
  });
  const sql = result.stdout ?? '';
  return /^\s*(-- This is an empty migration\.)?\s*$/.test(sql) ? '' : sql;
}

/**
 * The engine reads some columns of the catalog as Postgres' one-byte `"char"`, a type that @prisma/adapter-pg does not know and refuses. Asking for
 * text instead makes them readable.
 */
class ReadableCatalog extends PrismaPg {
  override async connect(): ReturnType<PrismaPg['connect']> {
    const connection = await super.connect();
    const queryRaw = connection.queryRaw.bind(connection);
    connection.queryRaw = async (query) => {
      const result = await queryRaw({ ...query, sql: charsAsText(query.sql) });
      const columnTypes = result.columnTypes.map((type, at) =>
        CHAR_COLUMNS.has(result.columnNames[at] ?? '') ? ColumnTypeEnum.Character : type,
      );
      return { ...result, columnTypes };
    };
    return connection;
  }
}

const CHAR_COLUMNS = new Set(['confdeltype', 'confupdtype', 'constraint_type']);

function charsAsText(sql: string): string {
  return sql
    .replace(/\bcon\.(conf(?:del|upd)type),/g, 'con.$1::text AS $1,')
    .replace('constr.contype AS', 'constr.contype::text AS');
}

type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');

/** Node has WebAssembly; the type library that declares it is the browser's. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: {
    instantiate(
      bytes: Uint8Array,
      imports: object,
    ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>;
  };
};

/** Made once: its glue code remembers the memory of one instance, and a second one hangs. */
let engine: Promise<EngineModule> | undefined;

async function loadEngine(): Promise<EngineModule> {
  const background = (await import('@prisma/schema-engine-wasm/schema_engine_bg')) as EngineModule & {
    __wbg_set_wasm(exports: object): void;
  };
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const bytes = await readFile(path.join(path.dirname(entry), 'schema_engine_bg.wasm'));
  const { instance } = await wasm.instantiate(bytes, { './schema_engine_bg.js': background });
  background.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return background;
}
