-- Who caused a turn: the id of the request that brought its message, and the place in its trace. The work that follows (runner, proxy) carries both on.
ALTER TABLE "turn" ADD COLUMN "request_id" TEXT, ADD COLUMN "trace_parent" TEXT;
ALTER TABLE "turn" ADD CONSTRAINT "turn_request_id_short" CHECK (length("request_id") <= 100);
ALTER TABLE "turn" ADD CONSTRAINT "turn_trace_parent_form" CHECK ("trace_parent" ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
