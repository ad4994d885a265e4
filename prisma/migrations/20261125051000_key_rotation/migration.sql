-- AlterTable
ALTER TABLE "sealing_key" ADD COLUMN     "retired_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "key_rotation" (
    "id" UUID NOT NULL,
    "target_key_id" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "key_rotation_pkey" PRIMARY KEY ("id")
);


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

ALTER TABLE "key_rotation" ADD CONSTRAINT "key_rotation_state" CHECK ("state" IN ('running', 'finished', 'superseded'));
-- One at a time: two that pull rows to different keys would never end.
CREATE UNIQUE INDEX "key_rotation_one_running" ON "key_rotation" ((true)) WHERE "state" = 'running';
ALTER TABLE "key_rotation" ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON "key_rotation" TO berth_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON "key_rotation" TO berth_system;
GRANT UPDATE (proof, created_at, retired_at) ON "sealing_key" TO berth_system;

-- Which rows are under which key, of all organizations; not what they hold.
GRANT SELECT (id, organization_id) ON "credential" TO berth_system;
GRANT SELECT (organization_id, key_id) ON "idempotent_answer" TO berth_system;
-- Sealed anew, and nothing else of an answer that is kept.
GRANT UPDATE (sealed, key_id) ON "idempotent_answer" TO berth_app;
GRANT UPDATE (sealed, key_id) ON "idempotent_instance_answer" TO berth_system;

-- A key that was retired seals nothing more, whatever replica still has it first: people were told that it may be removed. The lock holds back who retires it until this row is
-- committed, and so seen; who comes after it sees that the key is retired. As owner, since the app's login does not know the keys.
CREATE FUNCTION refuse_retired_key() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  retired timestamptz;
BEGIN
  SELECT retired_at INTO retired FROM sealing_key WHERE id = NEW.key_id FOR KEY SHARE;
  IF retired IS NOT NULL THEN
    RAISE EXCEPTION 'berth: the encryption key % was retired', NEW.key_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_retired_key() FROM PUBLIC;
CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "credential" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "idempotent_answer" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "idempotent_instance_answer" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
