-- What the runtime said last when a step could not be done, for as long as that lasts.
ALTER TABLE "workspace" ADD COLUMN "obstacle" TEXT;

-- The sweep asks for what is not asleep for good; however many are, they cost it nothing. Its query says the same words (src/database/sweep.store.ts).
CREATE INDEX "workspace_awake" ON "workspace" ("host_id", "id") WHERE "state" <> 'hibernated' OR "desired_state" <> 'hibernated';
