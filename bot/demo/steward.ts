import { z } from "zod";

/** What the demo needs of an approval's answer (the API's own schema says more). */
const Approval = z.object({
  id: z.string(),
  code: z.string(),
  state: z.string(),
  summary: z.string(),
  kubectl: z.string(),
  origin: z.string(),
  incidentId: z.string().nullable(),
  verification: z.object({ verdict: z.string().nullable() }).nullable(),
});
export type Approval = z.infer<typeof Approval>;

const Incident = z.object({
  id: z.string(),
  cardId: z.string(),
  state: z.string(),
  diagnosis: z
    .object({ conclusion: z.string(), findings: z.array(z.object({ evidence: z.array(z.string()) })) })
    .nullable(),
  approvals: z.array(z.string()),
});
export type Incident = z.infer<typeof Incident>;

const AuditRow = z.object({
  seq: z.number(),
  timestamp: z.string(),
  user_id: z.string().nullable(),
  action_type: z.string(),
  target_resource: z.string().nullable(),
  status: z.string(),
  platform: z.string(),
});
export type AuditRow = z.infer<typeof AuditRow>;

const CardEvent = z.object({
  cardId: z.string(),
  version: z.number(),
  kind: z.string(),
  incidentId: z.string().nullable(),
  approvalId: z.string().nullable(),
  state: z.string(),
  card: z.unknown(),
});
export type CardEvent = z.infer<typeof CardEvent>;

/** The running bot, spoken to over HTTP only: the demo sees what any client sees. */
export interface Steward {
  setup(token: string, username: string, password: string): Promise<void>;
  /** Posts an Alertmanager body; answers the receipt. */
  alert(body: unknown): Promise<string>;
  incidentOf(receipt: string): Promise<Incident | null>;
  incident(id: string): Promise<Incident>;
  approval(code: string): Promise<Approval>;
  approve(code: string): Promise<void>;
  deny(code: string, reason: string): Promise<void>;
  wish(kubectl: string): Promise<Approval>;
  audit(): Promise<AuditRow[]>;
  verifyAudit(): Promise<{ ok: boolean; records: number }>;
  /** Calls `onCard` for every change of a card until the signal aborts. */
  cards(onCard: (event: CardEvent) => void, signal: AbortSignal): Promise<void>;
}

export function connectSteward(url: string, webhookToken: string): Steward {
  let cookie = "";

  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<unknown> {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        cookie,
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    for (const set of response.headers.getSetCookie()) cookie = set.split(";")[0] ?? "";
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  const items = z.object({ items: z.array(z.unknown()), next: z.string().nullable() });

  return {
    async setup(token, username, password) {
      await call("POST", "/api/v1/setup", { token, username, password });
    },
    async alert(body) {
      const answer = await call("POST", "/api/v1/webhook/alertmanager", body, {
        authorization: `Bearer ${webhookToken}`,
      });
      return z.object({ receipt: z.string() }).parse(answer).receipt;
    },
    async incidentOf(receipt) {
      const list = items.parse(await call("GET", `/api/v1/incidents?receipt=${receipt}`));
      return list.items.length === 0 ? null : Incident.parse(list.items[0]);
    },
    incident: async (id) => Incident.parse(await call("GET", `/api/v1/incidents/${id}`)),
    approval: async (code) => Approval.parse(await call("GET", `/api/v1/approvals/${code}`)),
    async approve(code) {
      await call("POST", `/api/v1/approvals/${code}/approve`, {});
    },
    async deny(code, reason) {
      await call("POST", `/api/v1/approvals/${code}/deny`, { reason });
    },
    wish: async (kubectl) => Approval.parse(await call("POST", "/api/v1/proposals", { kubectl })),
    async audit() {
      const rows: AuditRow[] = [];
      for (let cursor: string | null = null; ; ) {
        const page = items.parse(
          await call("GET", `/api/v1/audit?limit=100${cursor === null ? "" : `&cursor=${cursor}`}`),
        );
        rows.push(...page.items.map((row) => AuditRow.parse(row)));
        cursor = page.next;
        if (cursor === null) return rows.reverse();
      }
    },
    verifyAudit: async () =>
      z.object({ ok: z.boolean(), records: z.number() }).parse(await call("GET", "/api/v1/audit/verify")),
    async cards(onCard, signal) {
      const response = await fetch(new URL("/api/v1/events", url), {
        headers: { accept: "text/event-stream", cookie },
        signal,
      });
      if (!response.ok || response.body === null) throw new Error(`GET /api/v1/events answered ${response.status}`);
      let rest = "";
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + chunk).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const data = block
            .split("\n")
            .filter((line) => line.startsWith("data:"))
            .map((line) => line.slice(5).trim())
            .join("\n");
          if (data !== "") onCard(CardEvent.parse(JSON.parse(data)));
        }
      }
    },
  };
}
