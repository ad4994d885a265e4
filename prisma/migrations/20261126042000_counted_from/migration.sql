ALTER TABLE "conversation" ADD COLUMN "counted_from" TIMESTAMPTZ(3);
