-- Names of repositories change hands, numbers do not.
ALTER TABLE "workspace" ADD COLUMN "repository_id" TEXT;
ALTER TABLE "mapping" ADD COLUMN "repository_id" TEXT;

-- What is reached under a name now is what was meant by it.
UPDATE "workspace" w SET "repository_id" = r.repository_id FROM "github_repository" r
  WHERE r.organization_id = w.organization_id AND lower(w.source ->> 'path') = lower('github.com/' || r.full_name || '.git');
UPDATE "mapping" m SET "repository_id" = r.repository_id FROM "github_repository" r
  WHERE r.organization_id = m.organization_id AND lower(m.repository) = lower(r.full_name);
