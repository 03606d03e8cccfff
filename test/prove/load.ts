import type { Manifest } from "../../bot/sandbox/index.ts";
import { type ApiClient, createApiClient } from "../api-client.ts";
import { webhookBody } from "../payloads.ts";
import type { Random } from "./random.ts";

/** What the bot has promised so far, by its own answers. */
export interface Promises {
  /** Receipts of deliveries answered 202. */
  readonly receipts: Set<string>;
  /** Codes of approvals answered 200. */
  readonly approved: Set<string>;
  /** Answers that already broke a promise. */
  readonly broken: string[];
}

export interface Load {
  /** Resolves at the next approval that is answered 200. */
  nextApproval(): Promise<void>;
  /** Resolves when all traffic has ended; it ends when the signal aborts or the bot is gone. */
  readonly ended: Promise<void>;
}

export const token = "crash-runner";
/** Many, for an execution in doubt holds its workload until the request can surely no longer arrive. */
const workloads = 48;
/** At once, against a bot that shares the processor with them. */
const senders = 3;
const askers = 4;

/** Deployments that stay healthy, so that restarts and scales of them end quickly. */
export function workloadsUnderLoad(): Manifest[] {
  const deployments = Array.from({ length: workloads }, (_, n): Manifest => {
    const labels = { app: `app-${n}` };
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: `app-${n}`, namespace: "load" },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "load/app:1" }] } },
      },
    };
  });
  return [{ apiVersion: "v1", kind: "Namespace", metadata: { name: "load" } }, ...deployments];
}

/** Alerts, wishes and approvals, as fast as the bot answers, until the signal aborts. */
export function startLoad(client: ApiClient, random: Random, promises: Promises, signal: AbortSignal): Load {
  let heard = Promise.withResolvers<void>();
  const onApproval = () => {
    heard.resolve();
    heard = Promise.withResolvers<void>();
  };
  const traffic = [
    ...Array.from({ length: senders }, () => fireAlerts(client, random, promises, signal)),
    ...Array.from({ length: askers }, () => askAndApprove(client, random, promises, signal, onApproval)),
  ];
  return { nextApproval: () => heard.promise, ended: Promise.all(traffic).then(() => undefined) };
}

async function fireAlerts(
  client: ApiClient,
  random: Random,
  { receipts, broken }: Promises,
  signal: AbortSignal,
): Promise<void> {
  const prometheus = createApiClient(client.url);
  while (!signal.aborted) {
    const app = `app-${random.int(workloads)}`;
    const alertname = `Load${random.int(400)}`;
    const startsAt = new Date(Date.UTC(2026, 0, 1) + random.int(50) * 60_000);
    const body = webhookBody(
      [
        { alertname, labels: { namespace: "load", deployment: app }, startsAt },
        { alertname, labels: { namespace: "load", deployment: app, pod: `${app}-x` } },
      ],
      `{}:{alertname="${alertname}"}`,
    );
    try {
      const answer = await prometheus.post("/api/v1/webhook/alertmanager", body, { authorization: `Bearer ${token}` });
      if (answer.status === 202) receipts.add(String(answer.body["receipt"]));
      else if (answer.status !== 503) broken.push(`a delivery was answered ${answer.status}`);
    } catch {
      return; // the bot was killed under us: this delivery was never acknowledged
    }
  }
}

/** Asks for a change and approves it, now and then from two hands at once: only one of them may be told that it counted. */
async function askAndApprove(
  client: ApiClient,
  random: Random,
  { approved, broken }: Promises,
  signal: AbortSignal,
  onApproval: () => void,
): Promise<void> {
  while (!signal.aborted) {
    const app = `app-${random.int(workloads)}`;
    const wish = random.pick([
      `kubectl rollout restart deployment/${app} -n load`,
      `kubectl scale deployment/${app} -n load --replicas=${random.between(1, 3)}`,
    ]);
    try {
      const asked = await client.post("/api/v1/proposals", { kubectl: wish });
      if (asked.status !== 201 || asked.body["state"] !== "pending") continue;
      const code = String(asked.body["code"]);
      const click = async () => {
        const { status } = await client.post(`/api/v1/approvals/${code}/approve`);
        if (status !== 200) return 0;
        approved.add(code);
        onApproval();
        return 1;
      };
      const counted = await Promise.all(random.next() < 0.2 ? [click(), click()] : [click()]);
      if (counted.filter((one) => one === 1).length > 1)
        broken.push(`two approvals of ${code} were both told that they counted`);
    } catch {
      return;
    }
  }
}
