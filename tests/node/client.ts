// What an application does with a client of generated types and default options: check, usage, a command with a key, events, changes.
// The URL, the key and the ids are in the environment; what was found is written to standard output as JSON.
import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

const { URL_OF_SERVICE, API_KEY, CUSTOMER_ID, POOL_ID } = process.env as Record<string, string>;
const client = createClient<paths>({
  baseUrl: URL_OF_SERVICE!,
  headers: { Authorization: `Bearer ${API_KEY!}` },
});
const customer_id = CUSTOMER_ID!;
const resource_key = "api_calls";

const command = async () => {
  const { data, response } = await client.POST("/v1/commands/IssueGrant", {
    params: { header: { "Idempotency-Key": "grant-by-typescript" } },
    body: { pool_id: POOL_ID!, grant_id: "by-typescript", reason: "a test", set_id: "free" },
  });
  if (data?.status !== "accepted") throw new Error("nobody said respond-async");
  return {
    command: data.command,
    token: response.headers.get("entitlements-consistency")!,
    isReplay: response.headers.get("idempotent-replay") === "true",
  };
};
const first = await command();
const second = await command();

const check = await client.POST("/v1/check", {
  params: { header: { "Entitlements-Consistency": first.token } },
  body: { customer_id, resource_key, quantity: 3 },
});
const decision: components["schemas"]["DecisionBody"] = check.data!;

const used = await client.POST("/v1/usage", {
  params: { header: { "Idempotency-Key": "usage-by-typescript" } },
  body: { customer_id, resource_key, quantity: 3 },
});
const refused = await client.POST("/v1/usage", { body: { customer_id, resource_key, quantity: 1_000_000 } });
const remaining: number | null | undefined = refused.error?.remaining;
const refusedBy: string | undefined = refused.error?.pool_id;

if (used.data?.status !== "recorded") throw new Error("nobody said respond-async");

const event = (id: string) => ({
  id,
  source: "/typescript",
  type: "com.example.called",
  specversion: "1.0" as const,
  subject: customer_id,
  data: { resource_key, quantity: 1 },
});
const single = await client.POST("/v1/events", { body: event("e-1") });
const batch = await client.POST("/v1/events/batch", { body: [event("e-1"), event("e-2")] });
const accepted = (answer: typeof single.data | typeof batch.data) =>
  answer && "accepted" in answer ? answer.accepted : undefined;

const stopped = new AbortController();
const changes = await client.GET("/v1/changes", { parseAs: "stream", signal: stopped.signal });
let heard = "";
for await (const chunk of changes.data as unknown as AsyncIterable<Uint8Array>) {
  heard += new TextDecoder().decode(chunk);
  if (heard.includes("\n\n")) break;
}
stopped.abort();

const pool = await client.GET("/v1/pools/{pool_id}", {
  params: { path: { pool_id: POOL_ID! }, header: { "Entitlements-Consistency": first.token } },
});

console.log(
  JSON.stringify({
    command: first.command,
    isReplay: [first.isReplay, second.isReplay],
    limit: decision.limit,
    allowed: decision.allowed,
    used: used.data.quantity,
    refused: { code: refused.error?.code, remaining, refusedBy },
    events: [accepted(single.data), accepted(batch.data)],
    heard: /event: (\w+)/.exec(heard)?.[1],
    grants: pool.data?.grants.map((grant) => grant.grant_id),
  }),
);
