-- What was asked in the last day is counted before each ask; without it that would look through all that was ever asked.
CREATE INDEX "ask_organization_id_created_at_idx" ON "ask"("organization_id", "created_at");
