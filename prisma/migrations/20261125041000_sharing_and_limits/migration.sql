-- AlterTable
ALTER TABLE "organization" ADD COLUMN "max_requests_per_second" INTEGER NOT NULL DEFAULT 200,
ADD COLUMN "max_running" INTEGER NOT NULL DEFAULT 20,
ADD COLUMN "max_workspaces" INTEGER NOT NULL DEFAULT 100;

-- AlterTable
ALTER TABLE "lease" ADD COLUMN "user_id" UUID;

-- AlterTable
ALTER TABLE "workspace" ADD COLUMN "shared" BOOLEAN NOT NULL DEFAULT false;


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

ALTER TABLE "organization" ADD CONSTRAINT "organization_limits" CHECK (
  "max_workspaces" >= 0 AND "max_running" >= 0 AND "max_requests_per_second" >= 1);
