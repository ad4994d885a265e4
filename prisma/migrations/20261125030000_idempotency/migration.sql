-- CreateTable
CREATE TABLE "idempotent_answer" (
    "id" TEXT NOT NULL,
    "organization_id" UUID NOT NULL,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotent_answer_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "idempotent_instance_answer" (
    "id" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotent_instance_answer_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "idempotent_answer_key_id_idx" ON "idempotent_answer"("key_id");

-- CreateIndex
CREATE INDEX "idempotent_answer_expires_at_idx" ON "idempotent_answer"("expires_at");

-- CreateIndex
CREATE INDEX "idempotent_instance_answer_key_id_idx" ON "idempotent_instance_answer"("key_id");

-- CreateIndex
CREATE INDEX "idempotent_instance_answer_expires_at_idx" ON "idempotent_instance_answer"("expires_at");


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

-- No foreign key to the organization: an answer is written last in the transaction of its effect, and must not wait for a lock that the effect's own rows are
-- locked after. Rows live for a day.
ALTER TABLE "idempotent_answer" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "idempotent_answer" TO berth_app USING (organization_id = berth_organization())
  WITH CHECK (organization_id = berth_organization());
GRANT SELECT, INSERT, DELETE ON "idempotent_answer" TO berth_app;

-- The system login removes what is over, of every organization, and sees no answer of theirs; those of no organization are its own.
CREATE POLICY system ON "idempotent_answer" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT (id, expires_at), DELETE ON "idempotent_answer" TO berth_system;
ALTER TABLE "idempotent_instance_answer" ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON "idempotent_instance_answer" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON "idempotent_instance_answer" TO berth_system;
