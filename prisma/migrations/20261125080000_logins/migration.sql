-- AlterTable
ALTER TABLE "credential" ADD COLUMN     "connected_at" TIMESTAMPTZ(3),
ADD COLUMN     "connected_by" UUID,
ADD COLUMN     "failures" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "forced_generation" INTEGER,
ADD COLUMN     "lineage" UUID NOT NULL DEFAULT gen_random_uuid(),
ADD COLUMN     "refused_generation" INTEGER,
ADD COLUMN     "renew_at" TIMESTAMPTZ(3),
ADD COLUMN     "retry_at" TIMESTAMPTZ(3);
-- What is there already was set when it was made or last replaced.
UPDATE "credential" SET "connected_at" = coalesce("last_rotated_at", "created_at");
ALTER TABLE "credential" ALTER COLUMN "connected_at" SET NOT NULL;

-- AlterTable
ALTER TABLE "lease" ADD COLUMN     "lineage" UUID;

-- AlterTable
ALTER TABLE "organization" ADD COLUMN     "organization_fallback" BOOLEAN NOT NULL DEFAULT true;

-- AlterTable
ALTER TABLE "turn" ADD COLUMN     "refused" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "refused_attempts" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "retry_at" TIMESTAMPTZ(3),
ADD COLUMN     "tools_began" BOOLEAN NOT NULL DEFAULT false;
-- What their agents did so far was not written down.
UPDATE "turn" SET "tools_began" = true WHERE "state" IN ('running', 'reauthenticating');

-- AlterTable
ALTER TABLE "workspace" ADD COLUMN     "agent_point" TEXT;

-- CreateTable
CREATE TABLE "credential_rotation" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "credential_id" UUID NOT NULL,
    "workspace_id" UUID,
    "lineage" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "next_generation" INTEGER,
    "reason" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "owner" UUID NOT NULL,
    "heartbeat_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "called_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "message" TEXT,

    CONSTRAINT "credential_rotation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "minted_token" (
    "organization_id" UUID NOT NULL,
    "credential_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "lineage" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "sealed" TEXT,
    "key_id" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "renew_at" TIMESTAMPTZ(3),
    "refused_generation" INTEGER,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "retry_at" TIMESTAMPTZ(3),

    CONSTRAINT "minted_token_pkey" PRIMARY KEY ("credential_id","workspace_id")
);

-- CreateTable
CREATE TABLE "login_attempt" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "scope" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "message" TEXT,
    "state_hash" TEXT,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "poll_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "login_attempt_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "credential_rotation_credential_id_id_idx" ON "credential_rotation"("credential_id", "id");

-- CreateIndex
CREATE INDEX "minted_token_key_id_idx" ON "minted_token"("key_id");

-- CreateIndex
CREATE INDEX "login_attempt_organization_id_subject_kind_idx" ON "login_attempt"("organization_id", "subject", "kind");

-- CreateIndex
CREATE INDEX "login_attempt_expires_at_idx" ON "login_attempt"("expires_at");

-- CreateIndex
CREATE INDEX "login_attempt_key_id_idx" ON "login_attempt"("key_id");

-- CreateIndex
CREATE INDEX "lease_credential_id_idx" ON "lease"("credential_id");

-- CreateIndex
CREATE UNIQUE INDEX "credential_organization_id_id_key" ON "credential"("organization_id", "id");

-- AddForeignKey
ALTER TABLE "credential" ADD CONSTRAINT "credential_connected_by_fkey" FOREIGN KEY ("connected_by") REFERENCES "user"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credential_rotation" ADD CONSTRAINT "credential_rotation_organization_id_credential_id_fkey" FOREIGN KEY ("organization_id", "credential_id") REFERENCES "credential"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "minted_token" ADD CONSTRAINT "minted_token_organization_id_credential_id_fkey" FOREIGN KEY ("organization_id", "credential_id") REFERENCES "credential"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "minted_token" ADD CONSTRAINT "minted_token_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "login_attempt" ADD CONSTRAINT "login_attempt_organization_id_user_id_fkey" FOREIGN KEY ("organization_id", "user_id") REFERENCES "member"("organization_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

ALTER TABLE "credential_rotation" ADD CONSTRAINT "credential_rotation_state"
  CHECK ("state" IN ('open', 'succeeded', 'failed', 'rejected', 'unknown', 'superseded'));
ALTER TABLE "login_attempt" ADD CONSTRAINT "login_attempt_state" CHECK ("state" IN ('pending', 'exchanging', 'connected', 'expired', 'refused', 'replaced'));

-- Whatever happens to jobs, locks and processes: one call at a time for one generation of one lineage.
CREATE UNIQUE INDEX "credential_rotation_one_open" ON "credential_rotation" (credential_id, workspace_id, lineage, generation) NULLS NOT DISTINCT WHERE state = 'open';
-- Those that are due, however many there are that nobody uses: these have no time at which they are due.
CREATE INDEX "credential_due" ON "credential" (renew_at) WHERE renew_at IS NOT NULL AND status <> 'rejected';
CREATE INDEX "minted_token_due" ON "minted_token" (renew_at) WHERE renew_at IS NOT NULL;
-- Open ones are looked for by their heartbeat, and are few.
CREATE INDEX "credential_rotation_open" ON "credential_rotation" (heartbeat_at) WHERE state = 'open';
-- One open attempt to connect a credential; a newer one takes its place.
CREATE UNIQUE INDEX "login_attempt_one_open" ON "login_attempt" (organization_id, subject, kind) WHERE state IN ('pending', 'exchanging');
CREATE INDEX "login_attempt_due" ON "login_attempt" (poll_at) WHERE state = 'pending';
CREATE INDEX "login_attempt_state" ON "login_attempt" (state_hash) WHERE state_hash IS NOT NULL;

DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY['credential_rotation', 'minted_token', 'login_attempt'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO berth_app', name);
    EXECUTE format('CREATE POLICY system ON %I FOR SELECT TO berth_system USING (true)', name);
  END LOOP;
END $$;
-- What is due, of every organization, by its ids; never a secret.
GRANT SELECT (id, organization_id, credential_id, workspace_id, generation, state, heartbeat_at) ON "credential_rotation" TO berth_system;
GRANT SELECT (organization_id, credential_id, workspace_id, generation, key_id, renew_at, retry_at) ON "minted_token" TO berth_system;
GRANT SELECT (id, organization_id, kind, state, poll_at, expires_at, key_id) ON "login_attempt" TO berth_system;
GRANT SELECT (generation, status, kind, renew_at, retry_at, refused_generation) ON "credential" TO berth_system;

CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "minted_token" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "login_attempt" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
