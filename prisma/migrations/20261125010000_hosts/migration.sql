-- CreateTable
CREATE TABLE "host" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "host_pkey" PRIMARY KEY ("id")
);

-- AlterTable
ALTER TABLE "workspace" ADD COLUMN "host_id" UUID;

-- CreateIndex
CREATE INDEX "workspace_host_id_idx" ON "workspace"("host_id");

-- AddForeignKey
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_host_id_fkey" FOREIGN KEY ("host_id") REFERENCES "host"("id") ON DELETE RESTRICT ON UPDATE CASCADE;


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

-- Hosts are of the instance, and no tenant's: the app places a workspace on one by its id, and may not look at the table.
ALTER TABLE "host" ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON "host" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON "host" TO berth_system;

-- Who looks after a workspace; and a host takes over what it has files of from before there were hosts.
GRANT SELECT (host_id), UPDATE (host_id) ON "workspace" TO berth_system;

-- A Berth that runs looks whether a newer one has migrated its database meanwhile, and stops writing.
-- (Where Prisma's own tool tries the migrations out, there is no such table.)
DO $$
BEGIN
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    GRANT SELECT (migration_name, rolled_back_at) ON "_prisma_migrations" TO berth_system;
  END IF;
END $$;
