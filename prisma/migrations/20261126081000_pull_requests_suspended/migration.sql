-- Workspaces whose pull request waits for an installation that is suspended: few of many, and looked at in each round of the sweep.
CREATE INDEX "workspace_pull_request_suspended" ON "workspace" ("id") WHERE "pull_request" #>> '{own,state}' = 'suspended';
