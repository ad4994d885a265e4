-- CreateTable
CREATE TABLE "invitation" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "invited_by" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "accepted_at" TIMESTAMPTZ(3),
    "accepted_by" UUID,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "invitation_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "invitation_hash_key" ON "invitation"("hash");

-- CreateIndex
CREATE INDEX "invitation_organization_id_id_idx" ON "invitation"("organization_id", "id");

-- AddForeignKey
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- A workspace outlives the membership of its owner: it is the organization's.
ALTER TABLE "workspace" DROP CONSTRAINT "workspace_organization_id_owner_id_fkey";
-- AddForeignKey
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user"("id") ON DELETE RESTRICT ON UPDATE CASCADE;


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

ALTER TABLE "invitation" ADD CONSTRAINT "invitation_role" CHECK ("role" IN ('owner', 'admin', 'member'));
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_ends_once" CHECK ("accepted_at" IS NULL OR "revoked_at" IS NULL);
ALTER TABLE "invitation" ADD CONSTRAINT "invitation_accepted_by_somebody" CHECK (("accepted_at" IS NULL) = ("accepted_by" IS NULL));
-- One open invitation per address: a new one takes the place of the old.
CREATE UNIQUE INDEX "invitation_one_open" ON "invitation" ("organization_id", "email") WHERE "accepted_at" IS NULL AND "revoked_at" IS NULL;

ALTER TABLE "invitation" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "invitation" TO berth_app USING (organization_id = berth_organization())
  WITH CHECK (organization_id = berth_organization());
GRANT SELECT, INSERT ON "invitation" TO berth_app;
GRANT UPDATE (accepted_at, accepted_by, revoked_at) ON "invitation" TO berth_app;

-- Whose invitation a token is, of whichever organization. What becomes of it is written inside that organization.
CREATE POLICY system ON "invitation" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT ON "invitation" TO berth_system;

-- A person is seen by the organizations that have it as a member, and by those that keep a workspace of theirs.
ALTER POLICY tenant ON "user"
  USING (EXISTS (SELECT 1 FROM "member" WHERE "member"."user_id" = "user"."id")
         OR EXISTS (SELECT 1 FROM "workspace" WHERE "workspace"."owner_id" = "user"."id"));
-- Who accepts an invitation may be new here: person and membership are written in one transaction. Never who administers the instance: that column is not granted.
CREATE POLICY newcomer ON "user" FOR INSERT TO berth_app WITH CHECK (true);
GRANT INSERT (id, email, name, password_hash, email_verified_at, created_at) ON "user" TO berth_app;
