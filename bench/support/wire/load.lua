-- What wrk sends in the bench `proxy`, and what it tells: one line of numbers. Arguments: the size of the body, and the key that only the way without a proxy needs.
function init(args)
  local filler = string.rep("a", tonumber(args[1]))
  wrk.method = "POST"
  wrk.body = '{"model":"claude-sonnet-4-6","max_tokens":16,"messages":[{"role":"user","content":"' .. filler .. '"}]}'
  wrk.headers["content-type"] = "application/json"
  wrk.headers["anthropic-version"] = "2023-06-01"
  wrk.headers["x-api-key"] = "placeholder"
  if args[2] then wrk.headers["authorization"] = args[2] end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("BENCH %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
