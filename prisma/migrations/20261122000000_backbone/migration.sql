-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "organization" (
    "id" UUID NOT NULL,
    "slug" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "organization_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "instance" (
    "id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "instance_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "user" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "password_hash" TEXT,
    "email_verified_at" TIMESTAMPTZ(3),
    "instance_administrator" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "member" (
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "member_pkey" PRIMARY KEY ("organization_id","user_id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "session" (
    "id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "hash" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "credential" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "scope" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" UUID,
    "kind" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "hint" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "settings" JSONB NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "limited_until" TIMESTAMPTZ(3),
    "last_rotated_at" TIMESTAMPTZ(3),
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "credential_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "lease" (
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "credential_id" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "scope" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "lease_pkey" PRIMARY KEY ("workspace_id","credential_id","generation")
);

-- CreateTable
CREATE TABLE "sealing_key" (
    "id" TEXT NOT NULL,
    "proof" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "sealing_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "workspace" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "owner_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "repository" TEXT NOT NULL,
    "source" JSONB NOT NULL,
    "ref" TEXT,
    "branch" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "desired_state" TEXT NOT NULL,
    "state_reason" TEXT,
    "authentication" TEXT NOT NULL,
    "credential" JSONB,
    "origin" JSONB NOT NULL,
    "pull_request_url" TEXT,
    "idle_timeout_minutes" INTEGER NOT NULL,
    "agent_session" TEXT,
    "runner_id" UUID,
    "runner_seen_at" TIMESTAMPTZ(3),
    "prepared_at" TIMESTAMPTZ(3),
    "last_event_seq" INTEGER NOT NULL DEFAULT 0,
    "last_message_seq" INTEGER NOT NULL DEFAULT 0,
    "last_activity_at" TIMESTAMPTZ(3) NOT NULL,
    "state_changed_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "workspace_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "operation" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "initiator" JSONB NOT NULL,
    "error" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "operation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "machine_token" (
    "hash" TEXT NOT NULL,
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "identity" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "machine_token_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "message" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "author_type" TEXT NOT NULL,
    "author_id" UUID,
    "author_name" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "turn_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "message_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "turn" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "attempt_id" UUID,
    "runner_id" UUID,
    "cancel_requested_at" TIMESTAMPTZ(3),
    "error" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "turn_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "receipt" (
    "organization_id" UUID NOT NULL,
    "turn_id" UUID NOT NULL,
    "credential_id" UUID NOT NULL,
    "generation" INTEGER NOT NULL,
    "scope" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "receipt_pkey" PRIMARY KEY ("turn_id","credential_id","generation")
);

-- CreateTable
CREATE TABLE "event" (
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "type" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "source_key" TEXT,

    CONSTRAINT "event_pkey" PRIMARY KEY ("workspace_id","seq")
);

-- CreateTable
CREATE TABLE "runner_cursor" (
    "organization_id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "runner_id" UUID NOT NULL,
    "acknowledged" INTEGER NOT NULL,

    CONSTRAINT "runner_cursor_pkey" PRIMARY KEY ("workspace_id","runner_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "organization_slug_key" ON "organization"("slug");

-- CreateIndex
CREATE UNIQUE INDEX "user_email_key" ON "user"("email");

-- CreateIndex
CREATE INDEX "member_user_id_idx" ON "member"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_prefix_key" ON "api_key"("prefix");

-- CreateIndex
CREATE INDEX "api_key_organization_id_user_id_idx" ON "api_key"("organization_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "session_hash_key" ON "session"("hash");

-- CreateIndex
CREATE INDEX "session_user_id_idx" ON "session"("user_id");

-- CreateIndex
CREATE INDEX "credential_key_id_idx" ON "credential"("key_id");

-- CreateIndex
CREATE UNIQUE INDEX "credential_organization_id_subject_kind_key" ON "credential"("organization_id", "subject", "kind");

-- CreateIndex
CREATE INDEX "workspace_organization_id_owner_id_id_idx" ON "workspace"("organization_id", "owner_id", "id");

-- CreateIndex
CREATE INDEX "workspace_state_desired_state_idx" ON "workspace"("state", "desired_state");

-- CreateIndex
CREATE UNIQUE INDEX "workspace_organization_id_id_key" ON "workspace"("organization_id", "id");

-- CreateIndex
CREATE INDEX "operation_workspace_id_id_idx" ON "operation"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "machine_token_workspace_id_identity_idx" ON "machine_token"("workspace_id", "identity");

-- CreateIndex
CREATE UNIQUE INDEX "message_workspace_id_seq_key" ON "message"("workspace_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "message_organization_id_id_key" ON "message"("organization_id", "id");

-- CreateIndex
CREATE INDEX "turn_workspace_id_state_idx" ON "turn"("workspace_id", "state");

-- CreateIndex
CREATE UNIQUE INDEX "turn_organization_id_id_key" ON "turn"("organization_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "turn_workspace_id_seq_key" ON "turn"("workspace_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "event_workspace_id_source_key_key" ON "event"("workspace_id", "source_key");

-- AddForeignKey
ALTER TABLE "member" ADD CONSTRAINT "member_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "member" ADD CONSTRAINT "member_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_organization_id_user_id_fkey" FOREIGN KEY ("organization_id", "user_id") REFERENCES "member"("organization_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "session" ADD CONSTRAINT "session_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "user"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credential" ADD CONSTRAINT "credential_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "credential" ADD CONSTRAINT "credential_organization_id_user_id_fkey" FOREIGN KEY ("organization_id", "user_id") REFERENCES "member"("organization_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "lease" ADD CONSTRAINT "lease_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_organization_id_owner_id_fkey" FOREIGN KEY ("organization_id", "owner_id") REFERENCES "member"("organization_id", "user_id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "operation" ADD CONSTRAINT "operation_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "machine_token" ADD CONSTRAINT "machine_token_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "message" ADD CONSTRAINT "message_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "turn" ADD CONSTRAINT "turn_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "receipt" ADD CONSTRAINT "receipt_organization_id_turn_id_fkey" FOREIGN KEY ("organization_id", "turn_id") REFERENCES "turn"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "event" ADD CONSTRAINT "event_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "runner_cursor" ADD CONSTRAINT "runner_cursor_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;


-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

INSERT INTO "instance" ("id", "created_at") VALUES (gen_random_uuid(), now());

-- Closed lists of words.
ALTER TABLE "member" ADD CONSTRAINT "member_role" CHECK ("role" IN ('owner', 'admin', 'member'));
ALTER TABLE "credential" ADD CONSTRAINT "credential_scope" CHECK (
  ("scope" = 'organization' AND "user_id" IS NULL AND "subject" = 'organization')
  OR ("scope" = 'user' AND "user_id" IS NOT NULL AND "subject" = "user_id"::text));
ALTER TABLE "credential" ADD CONSTRAINT "credential_generation" CHECK ("generation" >= 1);
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_state" CHECK (
  "state" IN ('provisioning', 'running', 'hibernating', 'hibernated', 'waking', 'failed', 'deleting'));
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_desired_state" CHECK ("desired_state" IN ('running', 'hibernated', 'deleted'));
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_failed_has_reason" CHECK ("state" <> 'failed' OR "state_reason" IS NOT NULL);
ALTER TABLE "operation" ADD CONSTRAINT "operation_state" CHECK ("state" IN ('running', 'succeeded', 'failed', 'superseded'));
-- One operation at a time: two workers that decide the same thing at once cannot both begin it.
CREATE UNIQUE INDEX "operation_one_running" ON "operation" ("workspace_id") WHERE "state" = 'running';
ALTER TABLE "turn" ADD CONSTRAINT "turn_state" CHECK (
  "state" IN ('queued', 'running', 'reauthenticating', 'completed', 'failed', 'canceled'));
-- One turn at a time: two claims of one workspace cannot both win.
CREATE UNIQUE INDEX "turn_one_running" ON "turn" ("workspace_id") WHERE "state" IN ('running', 'reauthenticating');
ALTER TABLE "machine_token" ADD CONSTRAINT "machine_token_identity" CHECK ("identity" IN ('runner', 'proxy'));

-- Roles. Group roles hold the rights; the logins that Berth uses are their members (src/database/logins.ts). Roles are of the whole server, so
-- another Berth there may have made them already.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['berth_app', 'berth_system', 'berth_queue'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
    END IF;
  END LOOP;
END $$;

REVOKE ALL ON SCHEMA "public" FROM PUBLIC;
GRANT USAGE ON SCHEMA "public" TO berth_app, berth_system;

-- The tenant of this transaction; null where none was set, and null equals nothing. After a transaction on a pooled connection the setting is
-- '' and not null, hence nullif.
CREATE FUNCTION berth_organization() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT nullif(current_setting('berth.org', true), '')::uuid $$;

-- Rule 5, second time: whatever a query of the app forgets, it sees and writes rows of the one organization that was set.
DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['member', 'api_key', 'credential', 'workspace', 'operation', 'machine_token', 'message', 'turn',
                                    'receipt', 'event', 'runner_cursor', 'lease'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('CREATE POLICY tenant ON %I TO berth_app USING (organization_id = berth_organization())
                    WITH CHECK (organization_id = berth_organization())', table_name);
  END LOOP;
END $$;
ALTER TABLE "organization" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "organization" TO berth_app USING (id = berth_organization()) WITH CHECK (id = berth_organization());
-- A person is seen by the organizations that have it as a member.
ALTER TABLE "user" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON "user" FOR SELECT TO berth_app
  USING (EXISTS (SELECT 1 FROM "member" WHERE "member"."user_id" = "user"."id"));
ALTER TABLE "session" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "sealing_key" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "instance" ENABLE ROW LEVEL SECURITY;

GRANT SELECT, UPDATE ON "organization" TO berth_app;
GRANT SELECT (id, email, name, created_at) ON "user" TO berth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON "member", "api_key", "credential", "workspace", "operation", "machine_token", "message", "turn",
  "runner_cursor", "lease" TO berth_app;
-- Receipts and events are facts: written once, never changed.
GRANT SELECT, INSERT ON "receipt", "event" TO berth_app;

-- What must see all tenants (src/database/system.store.ts): sign-in and key look-up, founding an organization, the sweep, the key ring's check.
DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['organization', 'user', 'member', 'api_key', 'session', 'sealing_key', 'machine_token', 'workspace', 'instance',
                                    'credential'] LOOP
    EXECUTE format('CREATE POLICY system ON %I TO berth_system USING (true) WITH CHECK (true)', table_name);
  END LOOP;
END $$;
GRANT SELECT, INSERT ON "organization", "user", "member" TO berth_system;
GRANT SELECT, INSERT ON "api_key" TO berth_system;
GRANT UPDATE (last_used_at) ON "api_key" TO berth_system;
GRANT SELECT, INSERT, DELETE ON "session" TO berth_system;
GRANT SELECT, INSERT ON "sealing_key" TO berth_system;
GRANT SELECT ON "instance" TO berth_system;
GRANT SELECT ON "machine_token" TO berth_system;
GRANT SELECT (id, organization_id, state, desired_state, state_changed_at, last_activity_at, idle_timeout_minutes, runner_seen_at)
  ON "workspace" TO berth_system;
GRANT SELECT (key_id) ON "credential" TO berth_system;
