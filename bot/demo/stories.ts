import type { Screen } from "./screen.ts";
import type { Approval, Incident, Steward } from "./steward.ts";
import type { DemoWords } from "./words.ts";

/** What a story may use. `decide` asks the person at the terminal, or plays them. */
export interface Stage {
  steward: Steward;
  screen: Screen;
  words: DemoWords;
  /** Shows the cards of this incident or approval from now on; the others stay quiet. */
  follow(ids: readonly string[]): void;
  decide(approval: Approval): Promise<"approve" | "deny">;
  /** A moment to read; short when nobody watches. */
  pause(ms: number): Promise<void>;
  /** Polls until the answer is not null. Throws with `what` at the deadline: a stage of the loop is broken. */
  until<T>(what: string, probe: () => Promise<T | null>): Promise<T>;
  /** A pod of the app that crash-loops, which is what the alert is about; null while none does. */
  crashingPod(namespace: string, app: string): Promise<string | null>;
  now(): Date;
}

/** What a story must have left on the audit trail, each with success. */
export type Trail = readonly string[];

/** An OOMKilled deployment is diagnosed; the raised limit is approved, runs and is verified; the alert clears. */
export async function outOfMemory(stage: Stage): Promise<Trail> {
  const { screen, words } = stage;
  screen.heading(words.outOfMemory.title);
  const alert = await crashLooping(stage, {
    namespace: "payment",
    deployment: "checkout",
    container: "checkout",
    severity: "critical",
    env: "prod",
  });
  const incident = await opened(stage, alert.body);
  const code = await diagnosedWithRemedy(stage, incident.id);
  await stage.pause(1_200);
  const told = ["incident_open", "investigate", "propose_setResources"];
  if (!(await decided(stage, code, words.outOfMemory.denied))) return [...told, "deny_setResources"];
  await cleared(stage, incident.id, alert.resolved());
  return [...told, ...ran("setResources"), "incident_resolve"];
}

/** A release that exits 1 in a dev namespace is rolled back without anybody's click, under the gate. */
export async function badRelease(stage: Stage): Promise<Trail> {
  const { screen, words } = stage;
  screen.heading(words.badRelease.title);
  const alert = await crashLooping(stage, {
    namespace: "dev",
    deployment: "orders",
    container: "orders",
    severity: "warning",
    env: "dev",
  });
  const incident = await opened(stage, alert.body);
  const code = await diagnosedWithRemedy(stage, incident.id);
  const { origin } = await stage.steward.approval(code);
  if (origin !== "autofix") throw new Error(`the rollback of dev/orders was not automatic but left to a ${origin}`);
  mustHaveSucceeded(await finished(stage, code));
  await cleared(stage, incident.id, alert.resolved());
  return [...ran("rollback"), "incident_resolve"];
}

/** Somebody asks for a restart in plain kubectl; it is never done at once, it becomes an approval card. */
export async function restartNginx(stage: Stage): Promise<Trail> {
  const { steward, screen, words } = stage;
  screen.heading(words.restart.title);
  const line = "kubectl rollout restart deployment/nginx -n default";
  screen.say(`> ${line}`);
  const asked = await steward.wish(line);
  if (asked.state !== "pending")
    throw new Error(`the wish to restart nginx is ${asked.state}, not waiting for approval`);
  stage.follow([asked.id]);
  await stage.pause(1_200);
  const approved = await decided(stage, asked.code, words.restart.denied);
  return ["propose_restart", ...(approved ? ran("restart") : ["deny_restart"])];
}

/** The audit trail of all that was done, and its proof. */
export async function proof(stage: Stage, needed: Trail): Promise<void> {
  const { steward, screen, words } = stage;
  stage.follow([]);
  screen.heading(words.proof.title);
  const rows = await steward.audit();
  for (const row of rows) {
    const when = row.timestamp.slice(11, 19);
    screen.say(
      `${String(row.seq).padStart(4)}  ${when}  ${row.status.padEnd(7)}  ${row.action_type.padEnd(22)} ${row.target_resource ?? ""}`,
    );
  }
  const missing = needed.filter(
    (action) => !rows.some((row) => row.action_type === action && row.status === "SUCCESS"),
  );
  if (missing.length > 0) throw new Error(`the audit trail lacks ${missing.join(", ")}`);
  const answer = await steward.verifyAudit();
  if (!answer.ok || answer.records < rows.length) throw new Error("the audit trail does not verify");
  screen.say("");
  screen.say(words.proof.verified(answer.records));
}

interface Story {
  namespace: string;
  deployment: string;
  container: string;
  severity: string;
  env: string;
}

/** The body kube-prometheus' KubePodCrashLooping gives through Alertmanager, for the pods that crash now. */
async function crashLooping(
  { crashingPod, now, until }: Stage,
  story: Story,
): Promise<{ body: unknown; resolved(): unknown }> {
  const pod = await until(`a pod of ${story.namespace}/${story.deployment} crash-loops`, () =>
    crashingPod(story.namespace, story.deployment),
  );
  const startsAt = new Date(now().getTime() - 60_000).toISOString();
  const labels = {
    alertname: "KubePodCrashLooping",
    namespace: story.namespace,
    pod,
    container: story.container,
    severity: story.severity,
    env: story.env,
    job: "kube-state-metrics",
  };
  const annotations = {
    summary: "Pod is crash looping.",
    description: `Pod ${story.namespace}/${pod} (${story.container}) is in waiting state (reason: "CrashLoopBackOff").`,
    runbook_url: "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubepodcrashlooping",
  };
  const body = (status: "firing" | "resolved") => ({
    version: "4",
    groupKey: `{}:{namespace="${story.namespace}"}`,
    truncatedAlerts: 0,
    status,
    receiver: "steward",
    groupLabels: { namespace: story.namespace },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: "http://alertmanager.monitoring:9093",
    alerts: [
      {
        status,
        labels,
        annotations,
        startsAt,
        endsAt: status === "firing" ? "0001-01-01T00:00:00Z" : now().toISOString(),
        generatorURL: "",
        fingerprint: "",
      },
    ],
  });
  return { body: body("firing"), resolved: () => body("resolved") };
}

async function opened({ steward, screen, words, until, follow, pause }: Stage, body: unknown): Promise<Incident> {
  screen.say(words.fired);
  await pause(400);
  const receipt = await steward.alert(body);
  const incident = await until("the alert has become an incident", () => steward.incidentOf(receipt));
  follow([incident.id]);
  return incident;
}

async function diagnosedWithRemedy({ steward, until }: Stage, incidentId: string): Promise<string> {
  const incident = await until("the incident is diagnosed and a remedy proposed", async () => {
    const found = await steward.incident(incidentId);
    return found.diagnosis !== null && found.approvals.length > 0 ? found : null;
  });
  if (incident.diagnosis?.findings.every((finding) => finding.evidence.length === 0) ?? true)
    throw new Error("the diagnosis cites no evidence");
  return incident.approvals[0] ?? "";
}

/** Answers whether it was approved; then it has run, and was verified. */
async function decided(stage: Stage, code: string, onDeny: string): Promise<boolean> {
  const { steward, screen } = stage;
  if ((await stage.decide(await steward.approval(code))) === "deny") {
    await steward.deny(code, "not now");
    if ((await finished(stage, code)).state !== "denied") throw new Error(`${code} was denied and is not`);
    await stage.pause(800);
    screen.say(onDeny);
    return false;
  }
  await steward.approve(code);
  mustHaveSucceeded(await finished(stage, code));
  await stage.pause(800);
  return true;
}

async function cleared({ steward, until, pause }: Stage, incidentId: string, resolved: unknown): Promise<void> {
  await steward.alert(resolved);
  await until("the incident is resolved", async () =>
    (await steward.incident(incidentId)).state === "resolved" ? true : null,
  );
  await pause(600);
}

function ran(action: string): Trail {
  return ["approve", "execute", "verify"].map((verb) => `${verb}_${action}`);
}

const endings = new Set([
  "succeeded",
  "failed",
  "unverified",
  "needs_human",
  "cancelled",
  "stale",
  "refused",
  "expired",
  "denied",
]);

function finished({ steward, until }: Stage, code: string): Promise<Approval> {
  return until(`${code} has come to an end`, async () => {
    const approval = await steward.approval(code);
    return endings.has(approval.state) ? approval : null;
  });
}

function mustHaveSucceeded(approval: Approval): void {
  if (approval.state !== "succeeded")
    throw new Error(`${approval.code} (${approval.summary}) ended as ${approval.state}`);
  if (approval.verification?.verdict !== "succeeded") throw new Error(`${approval.code} was not verified`);
}
