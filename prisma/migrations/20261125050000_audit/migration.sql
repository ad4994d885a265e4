-- CreateTable
CREATE TABLE "audit_head" (
    "organization_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "audit_head_pkey" PRIMARY KEY ("organization_id")
);

-- CreateTable
CREATE TABLE "audit_entry" (
    "organization_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "action" TEXT NOT NULL,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT,
    "actor_name" TEXT,
    "api_key_id" TEXT,
    "subject_type" TEXT,
    "subject_id" TEXT,
    "subject_name" TEXT,
    "details" JSONB NOT NULL,
    "request_id" TEXT,
    "previous_hash" TEXT NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("organization_id","seq")
);

-- CreateIndex
CREATE INDEX "audit_entry_organization_id_actor_id_seq_idx" ON "audit_entry"("organization_id", "actor_id", "seq");

-- CreateIndex
CREATE INDEX "audit_entry_organization_id_subject_id_seq_idx" ON "audit_entry"("organization_id", "subject_id", "seq");


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------
-- No foreign key: who is deleted, even a whole organization, stays in the log. The chain of the instance has the instance's id as its organization.

ALTER TABLE "audit_head" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "audit_entry" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "audit_head" TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization());
CREATE POLICY tenant ON "audit_entry" TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization());
CREATE POLICY system ON "audit_entry" TO berth_system USING (true) WITH CHECK (true);

-- Added and read; no login of Berth may change or delete an entry, and none may write a head: the database itself does, below.
GRANT SELECT ON "audit_head" TO berth_app;
GRANT SELECT, INSERT ON "audit_entry" TO berth_app;
GRANT INSERT ON "audit_entry" TO berth_system;

-- The end of a chain, held until the transaction ends, so that entries stand one after the other. As owner, since no login has a right to lock it; hence it asks itself
-- whose chain this is: the app's is the organization that is set.
CREATE FUNCTION audit_lock_head(chain uuid) RETURNS TABLE (last_seq integer, last_hash text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  IF chain IS DISTINCT FROM berth_organization() AND NOT pg_has_role(session_user, 'berth_system', 'MEMBER') THEN
    RAISE EXCEPTION 'not the chain of this organization' USING ERRCODE = 'insufficient_privilege';
  END IF;
  INSERT INTO audit_head (organization_id, seq, hash) VALUES (chain, 0, repeat('0', 64)) ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT seq, hash FROM audit_head WHERE organization_id = chain FOR UPDATE;
END $$;

-- Moves the head on to the entry that was added, and refuses one that does not follow it.
CREATE FUNCTION audit_follow() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash
   WHERE organization_id = NEW.organization_id AND seq = NEW.seq - 1 AND hash = NEW.previous_hash;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'audit entry % does not follow the head of its chain', NEW.seq USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER audit_follow AFTER INSERT ON "audit_entry" FOR EACH ROW EXECUTE FUNCTION audit_follow();

-- Against mistakes of whoever is mighty enough, the owner as well. Against intent there is the chain: who switches this off cannot make it hold again.
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_keep BEFORE UPDATE OR DELETE ON "audit_entry" FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_keep_all BEFORE TRUNCATE ON "audit_entry" FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_keep BEFORE DELETE ON "audit_head" FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_keep_all BEFORE TRUNCATE ON "audit_head" FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_keep_going BEFORE UPDATE ON "audit_head" FOR EACH ROW
  WHEN (NEW.organization_id <> OLD.organization_id OR NEW.seq <> OLD.seq + 1) EXECUTE FUNCTION audit_refuse();

REVOKE ALL ON FUNCTION audit_lock_head(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_lock_head(uuid) TO berth_app, berth_system;
REVOKE ALL ON FUNCTION audit_follow() FROM PUBLIC;
