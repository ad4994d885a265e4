-- AlterTable
ALTER TABLE "credential" ADD COLUMN     "warn_at" TIMESTAMPTZ(3);
-- Claude ends a login after 30 days, and people are told three days before (src/credentials/login-end.ts).
UPDATE "credential" SET "warn_at" = "connected_at" + interval '27 days' WHERE "kind" = 'claude_oauth';

-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

-- Those of which people are still to be told, by time.
CREATE INDEX "credential_warn" ON "credential" (warn_at) WHERE warn_at IS NOT NULL AND status <> 'rejected';
GRANT SELECT (warn_at) ON "credential" TO berth_system;
