-- AlterTable
ALTER TABLE "turn" ADD COLUMN "halt" JSONB;

-- CreateTable
CREATE TABLE "usage_entry" (
    "organization_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "member_id" UUID,
    "member_name" TEXT,
    "workspace_id" UUID NOT NULL,
    "workspace_name" TEXT NOT NULL,
    "repository" TEXT NOT NULL,
    "turn_id" UUID,
    "credential_id" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "scope" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "model" TEXT,
    "input_tokens" INTEGER,
    "output_tokens" INTEGER,
    "cache_read_tokens" INTEGER,
    "cache_write_tokens" INTEGER,
    "cache_hour_tokens" INTEGER,
    "billed" BOOLEAN NOT NULL,
    "cost_nano" BIGINT,
    "price_list" TEXT,
    "weight_nano" BIGINT NOT NULL,
    "weight_tokens" BIGINT NOT NULL,

    CONSTRAINT "usage_entry_pkey" PRIMARY KEY ("organization_id","id")
);

-- CreateTable
CREATE TABLE "budget" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "scope" TEXT NOT NULL,
    "subject" TEXT,
    "limit_nano" BIGINT,
    "limit_tokens" BIGINT,
    "period" TEXT NOT NULL,
    "alert_percent" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "budget_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "budget_sum" (
    "organization_id" UUID NOT NULL,
    "budget_id" UUID NOT NULL,
    "period_start" TIMESTAMPTZ(3) NOT NULL,
    "nano" BIGINT NOT NULL,
    "tokens" BIGINT NOT NULL,
    "calls" INTEGER NOT NULL,
    "unknown_calls" INTEGER NOT NULL,
    "estimated_nano" BIGINT NOT NULL,
    "alerted_at" TIMESTAMPTZ(3),
    "spent_at" TIMESTAMPTZ(3),

    CONSTRAINT "budget_sum_pkey" PRIMARY KEY ("budget_id","period_start")
);

-- CreateIndex
CREATE INDEX "usage_entry_organization_id_at_idx" ON "usage_entry"("organization_id", "at");

-- CreateIndex
CREATE INDEX "usage_entry_organization_id_member_id_at_idx" ON "usage_entry"("organization_id", "member_id", "at");

-- CreateIndex
CREATE UNIQUE INDEX "budget_organization_id_id_key" ON "budget"("organization_id", "id");

-- AddForeignKey
ALTER TABLE "budget" ADD CONSTRAINT "budget_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "budget_sum" ADD CONSTRAINT "budget_sum_organization_id_budget_id_fkey" FOREIGN KEY ("organization_id", "budget_id") REFERENCES "budget"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------
-- The ledger has no foreign key: a member who left and a workspace that was deleted used what they used.

ALTER TABLE "usage_entry" ADD CONSTRAINT "usage_entry_counts" CHECK (
  "input_tokens" >= 0 AND "output_tokens" >= 0 AND "cache_read_tokens" >= 0 AND "cache_write_tokens" >= 0 AND "cost_nano" >= 0 AND "weight_nano" >= 0 AND "weight_tokens" >= 0);
ALTER TABLE "budget" ADD CONSTRAINT "budget_scope" CHECK (
  "scope" IN ('organization', 'member', 'repository', 'workspace') AND ("scope" = 'organization') = ("subject" IS NULL));
ALTER TABLE "budget" ADD CONSTRAINT "budget_period" CHECK ("period" IN ('day', 'month', 'total'));
ALTER TABLE "budget" ADD CONSTRAINT "budget_limit" CHECK (
  num_nonnulls("limit_nano", "limit_tokens") = 1 AND "limit_nano" >= 0 AND "limit_tokens" >= 0 AND "alert_percent" BETWEEN 1 AND 100);

DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY['usage_entry', 'budget', 'budget_sum'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization())', name);
  END LOOP;
END $$;
-- What was used is never changed.
GRANT SELECT, INSERT ON "usage_entry" TO berth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON "budget", "budget_sum" TO berth_app;
