-- Workspaces for which a pull request is to be opened, or told of more: few of many, and asked for in each round of the sweep.
CREATE INDEX "workspace_pull_request_due" ON "workspace" ("id")
  WHERE "pull_request" #>> '{own,state}' IN ('wanted', 'open')
    AND ("pull_request" #>> '{own,told}') IS DISTINCT FROM ("pull_request" #>> '{own,commit}');

-- Numbers, branches and commits are in it, and nothing of what was said.
GRANT SELECT (pull_request) ON "workspace" TO berth_system;
