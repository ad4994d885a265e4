-- Names of repositories change hands, numbers do not: budgets and what counts in them go by the number, where it is known.
ALTER TABLE "usage_entry" ADD COLUMN "repository_id" TEXT;
ALTER TABLE "budget" ADD COLUMN "repository_id" TEXT;
ALTER TABLE "budget" ADD CONSTRAINT "budget_number" CHECK ("repository_id" IS NULL OR "scope" = 'repository');

UPDATE "usage_entry" u SET "repository_id" = w.repository_id FROM "workspace" w
  WHERE w.organization_id = u.organization_id AND w.id = u.workspace_id AND w.repository_id IS NOT NULL;
-- What is reached under a name now is what was meant by it.
UPDATE "budget" b SET "repository_id" = r.repository_id FROM "github_repository" r
  WHERE r.organization_id = b.organization_id AND b.scope = 'repository' AND lower(b.subject) = lower('github.com/' || r.full_name);
