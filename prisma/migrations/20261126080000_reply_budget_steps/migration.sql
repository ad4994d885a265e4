-- Each call was an entry of its own: thousands, read and written with every reply. Now they are counted in steps of time (src/triggers/replies/budget.ts).
ALTER TABLE "reply_budget" RENAME COLUMN "taken" TO "began";
ALTER TABLE "reply_budget" ADD COLUMN "taken" JSONB NOT NULL DEFAULT '[]';
UPDATE "reply_budget" SET "taken" = coalesce(
    (SELECT jsonb_agg(jsonb_build_object('at', (extract(epoch FROM at) * 1000)::bigint, 'calls', 1) ORDER BY at) FROM unnest("began") AS at),
    '[]');
ALTER TABLE "reply_budget" DROP COLUMN "began";
ALTER TABLE "reply_budget" ALTER COLUMN "taken" DROP DEFAULT;
