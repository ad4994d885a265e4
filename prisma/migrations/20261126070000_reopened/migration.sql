-- What is handled once more has its day from then on: one that waited for a person's link for longer than a day was lost at the first failure that would have passed.
ALTER TABLE "delivery" ADD COLUMN "reopened_at" TIMESTAMPTZ(3);
GRANT SELECT (reopened_at), UPDATE (reopened_at) ON "delivery" TO berth_system;
