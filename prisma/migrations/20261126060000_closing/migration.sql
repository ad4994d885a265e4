-- A conversation whose system left. `is_over`: it was removed there, and what waited to be said is dropped; else it waits for it to come back. `is_settled`: its workspace knows how it stands, and nothing that was
-- asked there goes on where it is closed.
ALTER TABLE "conversation" ADD COLUMN     "is_over" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "is_settled" BOOLEAN NOT NULL DEFAULT true;

-- Looked for by the sweep: nearly all are settled.
CREATE INDEX "conversation_unsettled" ON "conversation" (organization_id, id) WHERE NOT is_settled;
GRANT SELECT (is_settled) ON "conversation" TO berth_system;

-- When it was written there, by that system's clock.
ALTER TABLE "ask" ADD COLUMN     "asked_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "ask_stop" (
    "organization_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ask_stop_pkey" PRIMARY KEY ("organization_id","system","name")
);

-- AddForeignKey
ALTER TABLE "ask_stop" ADD CONSTRAINT "ask_stop_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "ask_stop" ADD CONSTRAINT "ask_stop_system" CHECK ("system" IN ('github', 'linear'));
ALTER TABLE "ask_stop" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "ask_stop" TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON "ask_stop" TO berth_app;
