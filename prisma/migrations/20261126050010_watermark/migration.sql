-- How far something that is done again and again has come, for the whole instance: what was missed at another system, what is not kept any more.
CREATE TABLE "watermark" (
    "key" TEXT NOT NULL,
    "up_to" TIMESTAMPTZ(3),
    "claim" UUID,
    "claimed_at" TIMESTAMPTZ(3),

    CONSTRAINT "watermark_pkey" PRIMARY KEY ("key")
);

ALTER TABLE "watermark" ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON "watermark" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON "watermark" TO berth_system;
