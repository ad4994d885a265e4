import { defineConfig } from 'prisma/config';

// `prisma generate` needs no schema engine, but the CLI insists on fetching one at every command. Where it cannot be fetched (an offline
// machine), naming any existing program satisfies it. Set BERTH_PRISMA_ONLINE=1 to let it fetch the real one for `prisma migrate dev`.
if (!process.env.BERTH_PRISMA_ONLINE) process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
