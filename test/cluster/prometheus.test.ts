import assert from "node:assert/strict";
import { test } from "node:test";
import { kinds, numberField, stringField } from "../../shared/kube.ts";
import type { ApiClient } from "../api-client.ts";
import { deployment, image as goodImage, missingImage } from "../contracts/drafts.ts";
import type { Ground } from "../contracts/ground.ts";
import { startAlertmanager } from "../programs/alertmanager.ts";
import { startPrometheus } from "../programs/prometheus.ts";
import { until } from "../until.ts";
import {
  alertmanagerConfig,
  cardText,
  folder,
  type Item,
  incidents,
  serveMetrics,
  signIn,
  startFront,
  startGround,
  startSteward,
} from "./alerting.ts";

/** How often the loop is closed in a row, on the same programs. */
const rounds = Number(process.env["STEWARD_TEST_ROUNDS"] ?? "2");

const rules = {
  groups: [
    {
      name: "kubernetes-apps",
      interval: "1s",
      rules: [
        {
          alert: "KubeContainerWaiting",
          // As kube-prometheus has it, but for the hour it waits there.
          expr: 'kube_pod_container_status_waiting_reason{reason!="CrashLoopBackOff"} > 0',
          for: "1s",
          labels: { severity: "warning" },
          annotations: {
            summary: "Pod container waiting.",
            description:
              "pod/{{ $labels.pod }} in namespace {{ $labels.namespace }} on container {{ $labels.container}} is waiting: {{ $labels.reason }}",
            runbook_url: "https://runbooks.prometheus-operator.dev/runbooks/kubernetes/kubecontainerwaiting",
          },
        },
      ],
    },
  ],
};

test("a metric fires a rule, people approve, the cluster is mended, the rule resolves, and the card says so", async (t) => {
  const ground = startGround(t);
  const dir = folder(t);
  const front = await startFront(t);
  const alertmanager = await startAlertmanager({ dir, config: alertmanagerConfig(front.url) });
  t.after(() => alertmanager.stop());
  const namespaces: { name: string; sticky: boolean }[] = [];
  const metrics = await serveMetrics(t, ground.cluster.read, () => namespaces);
  const prometheus = await startPrometheus({
    dir,
    config: {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      scrape_configs: [
        { job_name: "kube-state-metrics", honor_labels: true, static_configs: [{ targets: [metrics] }] },
      ],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(alertmanager.url).host] }] }] },
    },
    rules,
  });
  t.after(() => prometheus.stop());
  const steward = await startSteward({
    kubeconfig: ground.kubeconfig,
    dir,
    namespace: await ground.namespace("steward"),
    config: {
      verify: { settle: "1s", timeout: "25s" },
      sources: { prometheus: { url: prometheus.url }, alertmanager: { url: alertmanager.url } },
    },
  });
  t.after(() => steward.stop());
  front.behind = steward;
  const api = await signIn(steward);

  for (let round = 1; round <= rounds; round++) {
    await t.test(`round ${round} of ${rounds}`, async () => {
      const namespace = await ground.namespace(`shop-${round}`);
      namespaces.push({ name: namespace, sticky: false });
      await closeLoop(ground, api, namespace);
    });
  }

  await t.test("pods that look well while the rule goes on firing are no success", async () => {
    const namespace = await ground.namespace("sticky");
    namespaces.push({ name: namespace, sticky: true });
    const { incident, done } = await breakAndApprove(ground, api, namespace);
    assert.equal(done["state"], "failed", JSON.stringify(done));
    assert.equal(done["reason"], "the alert is still true by its own expression");
    assert.match(await cardText(api, incident.cardId), /the alert is still true by its own expression/);
  });

  const audit = await api.get("/api/v1/audit/verify");
  assert.equal(audit.body["ok"], true, JSON.stringify(audit.body));
  const links = (await api.get("/readyz")).body["links"] as { name: string; state: string }[];
  assert.deepEqual(
    links.filter(({ name }) => name !== "terminal").map(({ name, state }) => [name, state]),
    [
      ["prometheus", "connected"],
      ["alertmanager", "connected"],
    ],
  );
});

/** A release whose image is missing fires; its remedy is approved and comes to an end. */
async function breakAndApprove(ground: Ground, api: ApiClient, namespace: string) {
  await ground.create(namespace, deployment("checkout"));
  await ground.settled("the release is out", kinds.deployment, namespace, "checkout", isOut);
  await ground.patch("strategic", `/apis/apps/v1/namespaces/${namespace}/deployments/checkout`, {
    spec: { template: { spec: { containers: [{ name: "main", image: missingImage }] } } },
  });

  const incident = await until(
    "the alert is an incident, diagnosed, with a remedy",
    async () => {
      const [found] = await incidentsIn(api, namespace);
      if (found !== undefined && found.diagnosis !== null && found.approvals.length > 0) return found;
      throw new Error(JSON.stringify(found));
    },
    45_000,
  );
  assert.equal(incident.alertname, "KubeContainerWaiting");
  assert.equal(incident.target, "deployment/checkout");
  assert.equal(incident.late, false);
  assert.match(await cardText(api, incident.cardId), /Wait Approval/);

  const code = incident.approvals[0] ?? "";
  const approved = await api.post(`/api/v1/approvals/${code}/approve`);
  assert.equal(approved.status, 200, JSON.stringify(approved.body));
  const done = await until(
    "the remedy has come to an end",
    async () => {
      const { body } = await api.get(`/api/v1/approvals/${code}`);
      return ["approved", "executing", "verifying"].includes(String(body["state"])) ? null : body;
    },
    90_000,
  );
  return { incident, done };
}

async function closeLoop(ground: Ground, api: ApiClient, namespace: string): Promise<void> {
  const { incident, done } = await breakAndApprove(ground, api, namespace);
  assert.equal(done["state"], "succeeded", JSON.stringify(done));
  const mended = await ground.get(kinds.deployment, namespace, "checkout");
  assert.equal(stringField(mended, "spec", "template", "spec", "containers", 0, "image"), goodImage);
  assert.ok(isOut(mended));

  await until(
    "the incident has resolved",
    async () => {
      const [found] = await incidentsIn(api, namespace);
      return found?.state === "resolved";
    },
    30_000,
  );
  assert.equal((await incidentsIn(api, namespace)).length, 1);
  const card = await until("the card says that the alert has cleared", async () => {
    const text = await cardText(api, incident.cardId);
    return /Success/.test(text) && /[Rr]esolved|cleared/.test(text) ? text : null;
  });
  assert.doesNotMatch(card, /still clearing|still true/);
}

async function incidentsIn(api: ApiClient, namespace: string): Promise<Item[]> {
  return (await incidents(api)).filter((incident) => incident.namespace === namespace);
}

/** Everything of the newest template is there and available. */
function isOut(object: Parameters<typeof numberField>[0]): boolean {
  const count = (name: string) => numberField(object, "status", name) ?? 0;
  const wanted = numberField(object, "spec", "replicas") ?? 0;
  return (
    count("observedGeneration") >= (numberField(object, "metadata", "generation") ?? 0) &&
    count("updatedReplicas") === wanted &&
    count("availableReplicas") === wanted &&
    count("replicas") === wanted
  );
}
