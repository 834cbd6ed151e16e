-- Licensed under the Apache License, Version 2.0; see LICENSE.
-- For wrk: each request carries the next token of a file, one a line, or a token, a tab
-- and a DPoP proof.
--   wrk -s tokens.lua URL -- FILE FIRST COUNT
local requests, at = {}, 0

function init(args)
    local first, count, line = tonumber(args[2] or 1), tonumber(args[3] or 1), 0
    for text in io.lines(args[1]) do
        local token, proof = text:match("^(%S+)\t(%S+)$")
        line = line + 1
        if line >= first and #requests < count then
            requests[#requests + 1] = wrk.format("GET", "/index.html", {
                ["Authorization"] = (token and "DPoP " or "Bearer ") .. (token or text),
                ["DPoP"] = proof })
        end
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("RESULT %d %d %d %d %.1f %.1f\n", summary.requests,
        summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
