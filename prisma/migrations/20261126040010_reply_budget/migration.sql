-- What Berth has said at one installation lately: its share of what the other system allows. Counted in a row, since any worker may send.
CREATE TABLE "reply_budget" (
    "organization_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "taken" TIMESTAMPTZ(3)[],
    "blocked_until" TIMESTAMPTZ(3),
    "queued_until" TIMESTAMPTZ(3),

    CONSTRAINT "reply_budget_pkey" PRIMARY KEY ("organization_id","key")
);

-- AddForeignKey
ALTER TABLE "reply_budget" ADD CONSTRAINT "reply_budget_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "reply_budget" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "reply_budget" TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "reply_budget" TO berth_app;

-- How old the oldest is that waits.
GRANT SELECT (created_at) ON "reply" TO berth_system;
-- Which conversations were not told of all of their workspace's events.
GRANT SELECT (last_event_seq) ON "workspace" TO berth_system;
