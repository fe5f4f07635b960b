-- Sends requests in the order of a file: its first line is the path, then a body a line, a blank line, and the places of the
-- bodies in the order in which they are sent. Prints what came of it as JSON.
local ready, order, at = {}, {}, 0

function init(args)
  local file = assert(io.open(args[1]))
  local path, key = file:read("*l"), file:read("*l")
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. key }
  for line in file:lines() do
    if line == "" then break end
    ready[#ready + 1] = wrk.format("POST", path, headers, line)
  end
  for line in file:lines() do order[#order + 1] = tonumber(line) end
  at = tonumber(args[2])
end

function request()
  at = at % #order + 1
  return ready[order[at]]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
