-- AlterTable
ALTER TABLE "member" ADD COLUMN     "preferred_agent" TEXT,
ADD COLUMN     "preferred_model" TEXT;

-- AlterTable
ALTER TABLE "organization" ADD COLUMN     "automation" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "workspace" ADD COLUMN     "aws_region" TEXT,
ADD COLUMN     "decision" JSONB,
ADD COLUMN     "instructions" TEXT,
ADD COLUMN     "provider" TEXT NOT NULL DEFAULT 'anthropic',
ADD COLUMN     "pull_request" JSONB,
ADD COLUMN     "read_only" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "external_account" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "external_id" TEXT NOT NULL,
    "handle" TEXT,
    "email" TEXT,
    "proof" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "external_account_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "account_link" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "external_id" TEXT NOT NULL,
    "handle" TEXT,
    "hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "account_link_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "connection_attempt" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "state_hash" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "connection_attempt_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "github_app" (
    "id" UUID NOT NULL,
    "only" BOOLEAN NOT NULL DEFAULT true,
    "app_id" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "github_app_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "github_installation" (
    "installation_id" TEXT NOT NULL,
    "organization_id" UUID NOT NULL,
    "credential_id" UUID NOT NULL,
    "account_id" TEXT NOT NULL,
    "account_login" TEXT NOT NULL,
    "account_type" TEXT NOT NULL,
    "selection" TEXT NOT NULL,
    "permissions" JSONB NOT NULL,
    "suspended_at" TIMESTAMPTZ(3),
    "connected_by" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "github_installation_pkey" PRIMARY KEY ("installation_id")
);

-- CreateTable
CREATE TABLE "github_repository" (
    "organization_id" UUID NOT NULL,
    "installation_id" TEXT NOT NULL,
    "repository_id" TEXT NOT NULL,
    "full_name" TEXT NOT NULL,
    "default_branch" TEXT,
    "private" BOOLEAN NOT NULL,
    "archived" BOOLEAN NOT NULL DEFAULT false,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "github_repository_pkey" PRIMARY KEY ("organization_id","installation_id","repository_id")
);

-- CreateTable
CREATE TABLE "linear_connection" (
    "organization_id" UUID NOT NULL,
    "linear_organization_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "url_key" TEXT NOT NULL,
    "app_user_id" TEXT NOT NULL,
    "app_user_name" TEXT NOT NULL,
    "credential_id" UUID NOT NULL,
    "scopes" TEXT[],
    "connected_by" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "linear_connection_pkey" PRIMARY KEY ("organization_id")
);

-- CreateTable
CREATE TABLE "mapping" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "linear_team_key" TEXT NOT NULL,
    "linear_project" TEXT,
    "label" TEXT,
    "repository" TEXT NOT NULL,
    "branch" TEXT,
    "agent" TEXT,
    "provider" TEXT NOT NULL,
    "aws_region" TEXT,
    "model" TEXT,
    "enabled" BOOLEAN NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "mapping_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "delivery" (
    "id" UUID NOT NULL,
    "organization_id" UUID,
    "system" TEXT NOT NULL,
    "delivery_id" TEXT NOT NULL,
    "event" TEXT NOT NULL,
    "action" TEXT,
    "state" TEXT NOT NULL,
    "outcome" TEXT,
    "workspace_id" UUID,
    "body" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "claim" UUID,
    "claimed_at" TIMESTAMPTZ(3),
    "error" TEXT,
    "received_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "delivery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "conversation" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "subject" JSONB NOT NULL,
    "workspace_id" UUID,
    "state" TEXT NOT NULL,
    "state_reason" TEXT,
    "event_cursor" INTEGER NOT NULL DEFAULT 0,
    "last_reply_seq" INTEGER NOT NULL DEFAULT 0,
    "made" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "conversation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ask" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "system" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "conversation_id" UUID NOT NULL,
    "delivery_id" UUID,
    "asker_id" TEXT,
    "asker_handle" TEXT,
    "user_id" UUID,
    "state" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "decision" JSONB NOT NULL,
    "message_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ask_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "reply" (
    "id" UUID NOT NULL,
    "organization_id" UUID NOT NULL,
    "conversation_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    "content" JSONB NOT NULL,
    "external_key" UUID NOT NULL DEFAULT gen_random_uuid(),
    "external_id" TEXT,
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ(3),
    "error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "sent_at" TIMESTAMPTZ(3),

    CONSTRAINT "reply_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "external_account_organization_id_system_external_id_key" ON "external_account"("organization_id", "system", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "external_account_organization_id_user_id_system_key" ON "external_account"("organization_id", "user_id", "system");

-- CreateIndex
CREATE UNIQUE INDEX "account_link_hash_key" ON "account_link"("hash");

-- CreateIndex
CREATE INDEX "account_link_organization_id_system_external_id_idx" ON "account_link"("organization_id", "system", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "connection_attempt_state_hash_key" ON "connection_attempt"("state_hash");

-- CreateIndex
CREATE INDEX "connection_attempt_key_id_idx" ON "connection_attempt"("key_id");

-- CreateIndex
CREATE INDEX "connection_attempt_expires_at_idx" ON "connection_attempt"("expires_at");

-- CreateIndex
CREATE UNIQUE INDEX "github_app_only_key" ON "github_app"("only");

-- CreateIndex
CREATE INDEX "github_app_key_id_idx" ON "github_app"("key_id");

-- CreateIndex
CREATE UNIQUE INDEX "github_installation_organization_id_installation_id_key" ON "github_installation"("organization_id", "installation_id");

-- CreateIndex
CREATE UNIQUE INDEX "github_installation_organization_id_credential_id_key" ON "github_installation"("organization_id", "credential_id");

-- CreateIndex
CREATE INDEX "github_repository_organization_id_full_name_idx" ON "github_repository"("organization_id", "full_name");

-- CreateIndex
CREATE UNIQUE INDEX "linear_connection_linear_organization_id_key" ON "linear_connection"("linear_organization_id");

-- CreateIndex
CREATE UNIQUE INDEX "linear_connection_organization_id_credential_id_key" ON "linear_connection"("organization_id", "credential_id");

-- CreateIndex
CREATE INDEX "mapping_organization_id_id_idx" ON "mapping"("organization_id", "id");

-- CreateIndex
CREATE INDEX "delivery_organization_id_id_idx" ON "delivery"("organization_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "delivery_system_delivery_id_key" ON "delivery"("system", "delivery_id");

-- CreateIndex
CREATE INDEX "conversation_organization_id_workspace_id_idx" ON "conversation"("organization_id", "workspace_id");

-- CreateIndex
CREATE UNIQUE INDEX "conversation_organization_id_id_key" ON "conversation"("organization_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "conversation_organization_id_system_key_key" ON "conversation"("organization_id", "system", "key");

-- CreateIndex
CREATE INDEX "ask_organization_id_system_asker_id_state_idx" ON "ask"("organization_id", "system", "asker_id", "state");

-- CreateIndex
CREATE INDEX "ask_conversation_id_id_idx" ON "ask"("conversation_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "ask_organization_id_system_key_key" ON "ask"("organization_id", "system", "key");

-- CreateIndex
CREATE UNIQUE INDEX "reply_conversation_id_seq_key" ON "reply"("conversation_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "reply_conversation_id_key_key" ON "reply"("conversation_id", "key");

-- AddForeignKey
ALTER TABLE "external_account" ADD CONSTRAINT "external_account_organization_id_user_id_fkey" FOREIGN KEY ("organization_id", "user_id") REFERENCES "member"("organization_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "account_link" ADD CONSTRAINT "account_link_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "connection_attempt" ADD CONSTRAINT "connection_attempt_organization_id_user_id_fkey" FOREIGN KEY ("organization_id", "user_id") REFERENCES "member"("organization_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "github_installation" ADD CONSTRAINT "github_installation_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "github_installation" ADD CONSTRAINT "github_installation_organization_id_credential_id_fkey" FOREIGN KEY ("organization_id", "credential_id") REFERENCES "credential"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "github_repository" ADD CONSTRAINT "github_repository_organization_id_installation_id_fkey" FOREIGN KEY ("organization_id", "installation_id") REFERENCES "github_installation"("organization_id", "installation_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "linear_connection" ADD CONSTRAINT "linear_connection_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "linear_connection" ADD CONSTRAINT "linear_connection_organization_id_credential_id_fkey" FOREIGN KEY ("organization_id", "credential_id") REFERENCES "credential"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mapping" ADD CONSTRAINT "mapping_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "conversation" ADD CONSTRAINT "conversation_organization_id_fkey" FOREIGN KEY ("organization_id") REFERENCES "organization"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "conversation" ADD CONSTRAINT "conversation_organization_id_workspace_id_fkey" FOREIGN KEY ("organization_id", "workspace_id") REFERENCES "workspace"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ask" ADD CONSTRAINT "ask_organization_id_conversation_id_fkey" FOREIGN KEY ("organization_id", "conversation_id") REFERENCES "conversation"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "reply" ADD CONSTRAINT "reply_organization_id_conversation_id_fkey" FOREIGN KEY ("organization_id", "conversation_id") REFERENCES "conversation"("organization_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What Prisma cannot say. ------------------------------------------------------------------------------------------------------------

-- A GitHub App's installations are the organization's too, one credential each.
ALTER TABLE "credential" DROP CONSTRAINT "credential_scope";
ALTER TABLE "credential" ADD CONSTRAINT "credential_scope" CHECK (
  ("scope" = 'organization' AND "user_id" IS NULL AND ("subject" = 'organization' OR ("kind" = 'github_installation' AND "subject" LIKE 'installation/%')))
  OR ("scope" = 'user' AND "user_id" IS NOT NULL AND "subject" = "user_id"::text));

ALTER TABLE "member" ADD CONSTRAINT "member_preferred_agent" CHECK ("preferred_agent" IN ('claude', 'codex'));
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_provider" CHECK ("provider" IN ('anthropic', 'bedrock'));
ALTER TABLE "external_account" ADD CONSTRAINT "external_account_system" CHECK ("system" IN ('github', 'linear'));
ALTER TABLE "account_link" ADD CONSTRAINT "account_link_system" CHECK ("system" IN ('github', 'linear'));
ALTER TABLE "connection_attempt" ADD CONSTRAINT "connection_attempt_purpose" CHECK (
  "system" IN ('github', 'linear') AND "purpose" IN ('app', 'connect', 'account'));
ALTER TABLE "github_app" ADD CONSTRAINT "github_app_only" CHECK ("only");
ALTER TABLE "mapping" ADD CONSTRAINT "mapping_words" CHECK (
  "provider" IN ('anthropic', 'bedrock') AND "agent" IN ('claude', 'codex') AND ("provider" = 'bedrock') = ("aws_region" IS NOT NULL));
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_state" CHECK (
  "system" IN ('github', 'linear') AND "state" IN ('received', 'processing', 'processed', 'failed'));
ALTER TABLE "conversation" ADD CONSTRAINT "conversation_state" CHECK (
  "system" IN ('github', 'linear') AND "state" IN ('open', 'paused', 'closed'));
ALTER TABLE "ask" ADD CONSTRAINT "ask_state" CHECK ("system" IN ('github', 'linear') AND "state" IN ('waiting', 'taken', 'refused'));
ALTER TABLE "reply" ADD CONSTRAINT "reply_state" CHECK ("state" IN ('waiting', 'sent', 'failed', 'dropped'));

-- One mapping for one place at Linear and one repository. The condition is always true: Prisma would else miss an index that it cannot say (NULLS NOT DISTINCT).
CREATE UNIQUE INDEX "mapping_one" ON "mapping" (organization_id, linear_team_key, linear_project, label, repository) NULLS NOT DISTINCT WHERE repository IS NOT NULL;
-- What is left to be done, whatever became of its jobs.
CREATE INDEX "delivery_open" ON "delivery" (received_at) WHERE state IN ('received', 'processing');
CREATE INDEX "delivery_body" ON "delivery" (received_at) WHERE body IS NOT NULL;
CREATE INDEX "reply_waiting" ON "reply" (next_at, conversation_id) WHERE state = 'waiting';

DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY['external_account', 'account_link', 'connection_attempt', 'github_installation', 'github_repository', 'linear_connection',
                              'mapping', 'delivery', 'conversation', 'ask', 'reply'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO berth_app USING (organization_id = berth_organization()) WITH CHECK (organization_id = berth_organization())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO berth_app', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['account_link', 'connection_attempt', 'github_installation', 'linear_connection', 'conversation', 'reply'] LOOP
    EXECUTE format('CREATE POLICY system ON %I FOR SELECT TO berth_system USING (true)', name);
  END LOOP;
END $$;
ALTER TABLE "github_app" ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON "github_app" TO berth_system USING (true) WITH CHECK (true);
CREATE POLICY system ON "delivery" TO berth_system USING (true) WITH CHECK (true);

-- The App is the instance's, as the issuer's keys are.
GRANT SELECT, INSERT, UPDATE, DELETE ON "github_app" TO berth_system;
-- Whose delivery, link or way back it is, nobody knows before it is looked up. What was delivered is written, and never read, by this login.
GRANT SELECT (id, organization_id, system, delivery_id, event, action, state, outcome, attempts, claim, claimed_at, received_at, finished_at) ON "delivery" TO berth_system;
GRANT INSERT ON "delivery" TO berth_system;
GRANT UPDATE (state, outcome, body, claim, claimed_at, error, finished_at) ON "delivery" TO berth_system;
GRANT SELECT (installation_id, organization_id, account_id, account_login, suspended_at) ON "github_installation" TO berth_system;
GRANT SELECT (organization_id, linear_organization_id, app_user_id) ON "linear_connection" TO berth_system;
GRANT SELECT (id, organization_id, system, hash, expires_at, used_at) ON "account_link" TO berth_system;
GRANT SELECT (id, organization_id, system, purpose, state_hash, expires_at, used_at, key_id) ON "connection_attempt" TO berth_system;
-- What is due, of every organization, by its ids.
GRANT SELECT (id, organization_id, system, workspace_id, state, event_cursor, updated_at) ON "conversation" TO berth_system;
GRANT SELECT (id, organization_id, conversation_id, state, next_at) ON "reply" TO berth_system;

CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "connection_attempt" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
CREATE TRIGGER refuse_retired_key BEFORE INSERT OR UPDATE OF key_id ON "github_app" FOR EACH ROW EXECUTE FUNCTION refuse_retired_key();
