import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../bot/adapters/clock.ts";
import type { Clock } from "../bot/edges.ts";
import type { containerWhere, Explanation } from "../bot/playbooks/playbook.ts";
import type { Manifest } from "../bot/sandbox/index.ts";
import { readPod } from "../bot/tools/pod.ts";
import type { Incident } from "../shared/incident.ts";
import { kinds } from "../shared/kube.ts";
import { deployment, type Lab, type LabOptions, namespace, openLab } from "./lab.ts";
import { until } from "./until.ts";

const target = "deployment/checkout";
const going = new AbortController().signal;

async function withLab(options: LabOptions, use: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab(options);
  try {
    await use(lab);
  } finally {
    await lab.stop();
  }
}

/** Waits until a container of one of checkout's pods says so. */
function untilContainer(lab: Lab, what: string, fits: Parameters<typeof containerWhere>[1]): Promise<unknown> {
  return until(
    what,
    async () => {
      const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace, labelSelector: "app=checkout" });
      return items.map(readPod).some((pod) => pod.containers.some(fits));
    },
    20_000,
    100,
  );
}

function untilReady(lab: Lab, replicas = 3): Promise<unknown> {
  return until(
    "all ready",
    async () => {
      const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace, labelSelector: "app=checkout" });
      return items.map(readPod).filter(({ ready }) => ready).length === replicas;
    },
    20_000,
    100,
  );
}

const crashing = (lab: Lab) =>
  untilContainer(lab, "a crash loop", ({ waiting }) => waiting?.reason === "CrashLoopBackOff");

async function investigate(lab: Lab, given: Partial<Incident> = {}) {
  const incident = lab.incident(given);
  const result = await lab.investigate.run(incident.id, going);
  const evidence = lab.store.evidence.ofIncident(incident.id);
  const cited = (text: RegExp) => result.diagnosis.findings.find((finding) => text.test(finding.text));
  return { ...result, incident, evidence, cited };
}

test("a container killed for memory: the limit doubled is proposed, requests stay, every finding cites what was read", () =>
  withLab(
    {
      world: {
        images: { "shop/checkout:1": { memory: "700Mi" } },
        objects: [
          deployment("shop/checkout:1", { resources: { limits: { memory: "512Mi" }, requests: { memory: "256Mi" } } }),
        ],
      },
    },
    async (lab) => {
      await crashing(lab);
      const { diagnosis, remedies, evidence, cited, incident } = await investigate(lab);
      assert.equal(diagnosis.cause, "OOMKilled");
      assert.equal(diagnosis.confidence, "high");
      assert.deepEqual(remedies, [
        { kind: "setResources", namespace, target, container: "app", limits: { memory: "1Gi" } },
      ]);
      assert.ok(cited(/limit is 512Mi, its request 256Mi/));
      const kept = new Map(evidence.map((one) => [one.id, one]));
      for (const finding of diagnosis.findings) {
        assert.ok(finding.evidence.length > 0);
        for (const id of finding.evidence) assert.ok(kept.has(id), finding.text);
      }
      assert.match(kept.get(cited(/OOMKilled with exit 137/)?.evidence[0] ?? "")?.text ?? "", /OOMKilled exit 137/);

      const [first, quick, last] = lab.told;
      assert.deepEqual([first?.investigation, first?.facts, first?.conclusion], ["running", [], null]);
      assert.equal(quick?.conclusion, null, "quick facts are on the card before the conclusion");
      for (const fact of ["last state OOMKilled", "exit 137", "limit 512Mi"])
        assert.ok(quick?.facts.includes(fact), fact);
      assert.deepEqual([last?.investigation, last?.conclusion], ["done", diagnosis.conclusion]);

      const [record] = lab.store.audit.page({ limit: 5, cursor: null, since: null, incident: incident.id }).items;
      assert.deepEqual(
        [record?.action_type, record?.status, record?.target_resource],
        ["investigate", "SUCCESS", `${namespace}/${target}`],
      );
      const [run] = lab.store.evidence.investigations(incident.id);
      assert.deepEqual([run?.state, run?.by, run?.calls], ["done", "rules", diagnosis.calls]);
    },
  ));

test("a release that crashes beside a healthy revision is rolled back to that one", () =>
  withLab(
    {
      world: {
        images: {
          "shop/checkout:2": { exit: { code: 1, log: ["boot", "FATAL: DATABASE_URL is required but not set"] } },
        },
        objects: [deployment("shop/checkout:1")],
      },
    },
    async (lab) => {
      await untilReady(lab);
      lab.sandbox.apply([deployment("shop/checkout:2")]);
      await crashing(lab);
      const { diagnosis, remedies, cited } = await investigate(lab);
      assert.equal(diagnosis.cause, "BadRelease");
      assert.equal(diagnosis.confidence, "high");
      assert.deepEqual(remedies, [{ kind: "rollback", namespace, target, toRevision: 1 }]);
      assert.ok(cited(/exit 1 .*error of the program/));
      assert.ok(cited(/a setting is missing: FATAL: DATABASE_URL/));
      assert.ok(cited(/shop\/checkout:1 → shop\/checkout:2/));
      assert.ok(diagnosis.ruledOut.some((text) => /not OOMKilled/.test(text)));
    },
  ));

test("without a healthy revision beside it, a release is rolled back only to one that ran long enough", async (t) => {
  const recreate = { strategy: { type: "Recreate" } };
  const images = { "shop/checkout:2": { exit: { code: 1, log: ["panic: boom"] } } };
  for (const [name, ageMs, expected] of [
    ["it ran for an hour", 3_600_000, [{ kind: "rollback", namespace, target, toRevision: 1 }]],
    ["it ran for seconds", 0, []],
  ] as const) {
    await t.test(name, () =>
      withLab({ world: { ageMs, images, objects: [deployment("shop/checkout:1", {}, recreate)] } }, async (lab) => {
        await untilReady(lab);
        lab.sandbox.apply([deployment("shop/checkout:2", {}, recreate)]);
        await crashing(lab);
        const { diagnosis, remedies } = await investigate(lab);
        assert.deepEqual(remedies, expected);
        assert.notEqual(diagnosis.confidence, "high");
        if (remedies.length === 0)
          assert.ok(diagnosis.unseen.some((text) => /no rollback is proposed on a guess/.test(text)));
      }),
    );
  }
});

test("a release long before the alert is not blamed", () =>
  withLab(
    {
      world: {
        ageMs: 5 * 3_600_000,
        images: { "shop/checkout:2": { exit: { code: 1 } } },
        objects: [deployment("shop/checkout:1", {}, { replicas: 1, strategy: { type: "Recreate" } })],
      },
    },
    async (lab) => {
      await untilReady(lab, 1);
      lab.sandbox.apply([deployment("shop/checkout:2", {}, { replicas: 1, strategy: { type: "Recreate" } })]);
      await crashing(lab);
      const { diagnosis, remedies } = await investigate(lab, { startedAt: new Date(Date.now() + 4 * 3_600_000) });
      assert.deepEqual(remedies, []);
      assert.ok(
        diagnosis.ruledOut.some((text) => /A release: revision 2 is from 4 h before the alert/.test(text)),
        diagnosis.ruledOut.join(),
      );
    },
  ));

test("a crash without a release: no remedy, and no more confidence than the log gives", () =>
  withLab(
    { world: { images: { "shop/checkout:1": { exit: { code: 3 } } }, objects: [deployment("shop/checkout:1")] } },
    async (lab) => {
      await crashing(lab);
      const { diagnosis, remedies } = await investigate(lab);
      assert.deepEqual(remedies, []);
      assert.equal(diagnosis.confidence, "low");
      assert.match(diagnosis.conclusion, /why is not clear/);
      assert.ok(diagnosis.unseen.some((text) => /logged nothing/.test(text)));
    },
  ));

test("a crash that a dependency explains is told as that, without a remedy on the workload", () =>
  withLab(
    {
      world: {
        images: {
          "shop/checkout:1": { exit: { code: 1, log: ["dial tcp 10.0.0.7:5432: connect: connection refused"] } },
        },
        objects: [deployment("shop/checkout:1")],
      },
    },
    async (lab) => {
      await crashing(lab);
      const { diagnosis, remedies } = await investigate(lab);
      assert.match(diagnosis.conclusion, /a service it depends on cannot be reached/);
      assert.equal(diagnosis.confidence, "medium");
      assert.deepEqual(remedies, []);
    },
  ));

test("an image that is not there: back to the one before when a release brought it, nothing on a guess otherwise", async (t) => {
  const noImage = { "shop/checkout:nope": { notFound: true } };
  await t.test("brought by a release", () =>
    withLab({ world: { images: noImage, objects: [deployment("shop/checkout:1")] } }, async (lab) => {
      await untilReady(lab);
      lab.sandbox.apply([deployment("shop/checkout:nope")]);
      await untilContainer(lab, "a failing pull", ({ waiting }) => waiting?.reason === "ImagePullBackOff");
      const { diagnosis, remedies } = await investigate(lab);
      assert.equal(diagnosis.cause, "ImagePullBackOff");
      assert.match(diagnosis.conclusion, /no such image or tag/);
      assert.deepEqual(remedies, [{ kind: "rollback", namespace, target, toRevision: 1 }]);
    }),
  );
  await t.test("there from the start", () =>
    withLab({ world: { images: noImage, objects: [deployment("shop/checkout:nope")] } }, async (lab) => {
      await untilContainer(
        lab,
        "a failing pull",
        ({ waiting }) => waiting !== null && /ImagePull/.test(waiting.reason),
      );
      const { diagnosis, remedies } = await investigate(lab);
      assert.equal(diagnosis.confidence, "high");
      assert.deepEqual(remedies, []);
    }),
  );
});

test("a pod that asks for more than any node has: said with both numbers, and no remedy is made up", () =>
  withLab(
    { world: { objects: [deployment("shop/checkout:1", { resources: { requests: { cpu: "16" } } })] } },
    async (lab) => {
      await until("unscheduled", async () => {
        const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace });
        return items.map(readPod).some(({ unscheduled }) => unscheduled !== null);
      });
      const { diagnosis, remedies } = await investigate(lab, { alertname: "KubePodNotReady" });
      assert.equal(diagnosis.cause, "Unschedulable: Insufficient cpu");
      assert.match(diagnosis.conclusion, /requests cpu 16, more than any node has \(the largest: 4\)/);
      assert.deepEqual(remedies, []);
    },
  ));

test("a release whose pods never become ready: the probe's words, and back to the revision that serves", () =>
  withLab(
    {
      world: {
        images: { "shop/checkout:2": { ready: "never", unreadyMessage: "HTTP probe failed with statuscode: 503" } },
        objects: [deployment("shop/checkout:1", probed)],
      },
    },
    async (lab) => {
      await untilReady(lab);
      lab.sandbox.apply([deployment("shop/checkout:2", probed)]);
      await until(
        "an Unhealthy event",
        async () => {
          const { items } = await lab.cluster.read.list({ type: kinds.event, namespace });
          return items.some((event) => event["reason"] === "Unhealthy");
        },
        20_000,
        100,
      );
      const { diagnosis, remedies, cited } = await investigate(lab, { alertname: "KubeDeploymentRolloutStuck" });
      assert.equal(diagnosis.cause, "ReadinessProbeFailed");
      assert.match(diagnosis.conclusion, /says that it is not well/);
      assert.ok(cited(/http-get :8080\/ready/));
      assert.deepEqual(remedies, [{ kind: "rollback", namespace, target, toRevision: 1 }]);
    },
  ));

const probed = {
  readinessProbe: { httpGet: { path: "/ready", port: 8080 }, periodSeconds: 1, failureThreshold: 1 },
  ports: [{ containerPort: 8080 }],
};

test("a config map that is not there is named, and a missing one is never made up", () =>
  withLab(
    {
      world: {
        objects: [deployment("shop/checkout:1", { envFrom: [{ configMapRef: { name: "checkout-settings" } }] })],
      },
    },
    async (lab) => {
      await untilContainer(lab, "a config error", ({ waiting }) => waiting?.reason === "CreateContainerConfigError");
      const { diagnosis, remedies } = await investigate(lab, { alertname: "KubeContainerWaiting" });
      assert.equal(diagnosis.cause, "CreateContainerConfigError");
      assert.match(diagnosis.conclusion, /configmap "checkout-settings" not found/);
      assert.deepEqual(remedies, []);
    },
  ));

test("a quota that is used up is told from the controller's own words", () =>
  withLab({}, async (lab) => {
    lab.sandbox.apply([
      {
        apiVersion: "v1",
        kind: "ResourceQuota",
        metadata: { name: "team", namespace },
        spec: { hard: { "requests.cpu": "2" } },
      },
      deployment("shop/checkout:1", { resources: { requests: { cpu: "1" } } }),
    ]);
    await until("a refusal", async () => {
      const { items } = await lab.cluster.read.list({ type: kinds.event, namespace });
      return items.some((event) => event["reason"] === "FailedCreate");
    });
    const { diagnosis, remedies } = await investigate(lab);
    assert.equal(diagnosis.cause, "QuotaExceeded");
    assert.match(diagnosis.conclusion, /quota team/);
    assert.deepEqual(remedies, []);
  }));

/** A clock that runs hours after the cluster's: what is young there has been running for long. */
function later(hours: number): Clock {
  const clock = createClock();
  return { ...clock, now: () => new Date(clock.now().getTime() + hours * 3_600_000) };
}

test("a program that ran for hours and no longer answers is started afresh: one pod of many, or all when none is well", async (t) => {
  const hangs = {
    ready: "never",
    unreadyMessage: 'Get "http://10.0.0.9:8080/ready": context deadline exceeded',
  } as const;
  const untilUnhealthy = (lab: Lab) =>
    until("an Unhealthy event", async () => {
      const { items } = await lab.cluster.read.list({ type: kinds.event, namespace });
      return items.some((event) => event["reason"] === "Unhealthy");
    });
  await t.test("one of many", () =>
    withLab(
      { clock: later(3), world: { objects: [deployment("shop/checkout:1", probed, { replicas: 2 })] } },
      async (lab) => {
        await untilReady(lab, 2);
        lab.sandbox.setImage("shop/checkout:1", hangs);
        lab.sandbox.apply([deployment("shop/checkout:1", probed)]);
        await untilUnhealthy(lab);
        const { diagnosis, remedies } = await investigate(lab);
        assert.equal(diagnosis.cause, "ReadinessProbeFailed");
        assert.match(diagnosis.conclusion, /does not answer in time/);
        assert.deepEqual(
          remedies.map(({ kind }) => kind),
          ["delete"],
        );
        const hung = await lab.cluster.read.list({ type: kinds.pod, namespace });
        const unready = hung.items.map(readPod).filter(({ ready }) => !ready);
        assert.deepEqual(
          remedies.map((remedy) => remedy.target),
          unready.map(({ name }) => `pod/${name}`),
        );
      },
    ),
  );
  await t.test("all", () =>
    withLab(
      {
        clock: later(3),
        world: { images: { "shop/checkout:1": hangs }, objects: [deployment("shop/checkout:1", probed)] },
      },
      async (lab) => {
        await untilUnhealthy(lab);
        const { remedies } = await investigate(lab);
        assert.deepEqual(remedies, [{ kind: "restart", namespace, target }]);
      },
    ),
  );
  await t.test("not one that has only just been started", () =>
    withLab(
      { world: { images: { "shop/checkout:1": hangs }, objects: [deployment("shop/checkout:1", probed)] } },
      async (lab) => {
        await untilUnhealthy(lab);
        const { remedies } = await investigate(lab);
        assert.deepEqual(remedies, []);
      },
    ),
  );
});

test("a container that the kubelet kills for its liveness probe is not taken for a crash of its own", () =>
  withLab({}, async (lab) => {
    const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
    const happened = (reason: string, type: string, message: string): Manifest => ({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `checkout-0.${reason.toLowerCase()}`, namespace },
      type,
      reason,
      message,
      involvedObject: { kind: "Pod", name: "checkout-0", namespace },
      firstTimestamp: minutesAgo(9),
      lastTimestamp: minutesAgo(1),
      count: 3,
    });
    const killed = {
      phase: "Running",
      conditions: [{ type: "Ready", status: "False", lastTransitionTime: minutesAgo(5) }],
      containerStatuses: [
        {
          name: "app",
          image: "shop/checkout:1",
          imageID: "",
          ready: false,
          restartCount: 4,
          state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } },
          lastState: {
            terminated: { exitCode: 137, reason: "Error", startedAt: minutesAgo(9), finishedAt: minutesAgo(5) },
          },
        },
      ],
    };
    const livenessProbe = { httpGet: { path: "/alive", port: 9090 } };
    lab.sandbox.apply([
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "checkout-0", namespace },
        // No kubelet of the sandbox is on that node: the status stays as it is.
        spec: {
          nodeName: "elsewhere",
          containers: [{ name: "app", image: "shop/checkout:1", livenessProbe, ports: [{ containerPort: 8080 }] }],
        },
        status: killed,
      },
      happened(
        "Unhealthy",
        "Warning",
        'Liveness probe failed: Get "http://10.0.0.9:9090/alive": dial tcp 10.0.0.9:9090: connect: connection refused',
      ),
      happened("Killing", "Normal", "Container app failed liveness probe, will be restarted"),
    ]);
    const { diagnosis, cited, remedies } = await investigate(lab, { target: "pod/checkout-0" });
    assert.equal(diagnosis.cause, "LivenessProbeFailed");
    assert.ok(cited(/asks port 9090, the container names 8080/));
    assert.deepEqual(remedies, []);
  }));

test("an alert that no playbook knows gets the facts and an honest word", () =>
  withLab({ world: { objects: [deployment("shop/checkout:1")] } }, async (lab) => {
    await untilReady(lab);
    const { diagnosis, remedies, evidence } = await investigate(lab, { alertname: "CheckoutLatencyHigh" });
    assert.equal(diagnosis.cause, null);
    assert.equal(diagnosis.confidence, "low");
    assert.match(diagnosis.conclusion, /looks well now/);
    assert.ok(diagnosis.findings.some(({ text }) => /3 of 3 pods ready/.test(text)));
    assert.deepEqual([...new Set(evidence.map(({ tool }) => tool))].sort(), [
      "kubectl_describe",
      "kubectl_logs",
      "kubectl_rollout_history",
      "recent_changes",
    ]);
    assert.deepEqual(remedies, []);
  }));

test("an object that is gone and an alert without an object are said to be so", () =>
  withLab({}, async (lab) => {
    const gone = await investigate(lab, { target: "deployment/nowhere" });
    assert.match(gone.diagnosis.conclusion, /not in the cluster/);
    const without = await investigate(lab, { target: null, namespace: null, alertname: "Watchdog" });
    assert.match(without.diagnosis.conclusion, /names no object/);
    assert.equal(without.diagnosis.confidence, "low");
  }));

test("a cluster that hangs still gives a card within the budget, which says what was not seen", () =>
  withLab({ budgetMs: 1_000, world: { objects: [deployment("shop/checkout:1")] } }, async (lab) => {
    lab.sandbox.fault({ hang: true, times: 1_000 });
    const began = performance.now();
    const { diagnosis, remedies, incident } = await investigate(lab);
    assert.ok(performance.now() - began < 3_000);
    assert.equal(diagnosis.confidence, "low");
    assert.match(diagnosis.conclusion, /could not be looked at/);
    assert.ok(
      diagnosis.unseen.some((text) => /not read within 1 s/.test(text)),
      diagnosis.unseen.join(),
    );
    assert.deepEqual(remedies, []);
    assert.equal(lab.store.incidents.get(incident.id)?.investigation, "done");
  }));

test("what the reading identity may not read is said, and the rest is still diagnosed", () =>
  withLab(
    {
      reader: "steward-read",
      world: {
        images: { "shop/checkout:1": { memory: "700Mi" } },
        objects: [
          deployment("shop/checkout:1", { resources: { limits: { memory: "512Mi" } } }),
          {
            apiVersion: "rbac.authorization.k8s.io/v1",
            kind: "ClusterRole",
            metadata: { name: "some" },
            rules: [
              { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
              { apiGroups: ["apps"], resources: ["deployments", "replicasets"], verbs: ["get", "list"] },
            ],
          },
          {
            apiVersion: "rbac.authorization.k8s.io/v1",
            kind: "ClusterRoleBinding",
            metadata: { name: "some" },
            roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "some" },
            subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "steward-read" }],
          },
        ],
      },
    },
    async (lab) => {
      await until(
        "killed",
        async () => {
          const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace });
          return items
            .map(readPod)
            .some(({ containers }) => containers.some(({ last }) => last?.reason === "OOMKilled"));
        },
        20_000,
        100,
      );
      const { diagnosis } = await investigate(lab);
      assert.equal(diagnosis.cause, "OOMKilled");
      assert.ok(
        diagnosis.unseen.some((text) => /events .*forbidden|events.*cannot list/i.test(text)),
        diagnosis.unseen.join("\n"),
      );
    },
  ));

test("a finding without valid evidence is dropped", () =>
  withLab(
    {
      world: { objects: [deployment("shop/checkout:1")] },
      playbook: {
        name: "made up",
        recognises: () => true,
        explain: async (scene): Promise<Explanation> => ({
          cause: "X",
          conclusion: "c",
          confidence: "high",
          findings: [
            { text: "rests on nothing", evidence: [] },
            { text: "rests on another run's", evidence: ["aaaaaaaaaaaaaaaaaaaaaaaaaa"] },
            { text: "rests on this", evidence: [scene.describeId, "bbbbbbbbbbbbbbbbbbbbbbbbbb"] },
          ],
          ruledOut: [],
          unseen: [],
          remedies: [],
        }),
      },
    },
    async (lab) => {
      const { diagnosis } = await investigate(lab);
      assert.deepEqual(
        diagnosis.findings.map(({ text, evidence }) => [text, evidence.length]),
        [["rests on this", 1]],
      );
    },
  ));

test("a fault of Steward's own is recorded as failed, and a stop puts the incident back into the queue", async (t) => {
  await t.test("fault", () =>
    withLab(
      {
        world: { objects: [deployment("shop/checkout:1")] },
        playbook: {
          name: "broken",
          recognises: () => true,
          explain: () => Promise.reject(new TypeError("x is undefined")),
        },
      },
      async (lab) => {
        const incident = lab.incident({});
        await assert.rejects(lab.investigate.run(incident.id, going), TypeError);
        assert.equal(lab.store.incidents.get(incident.id)?.investigation, "failed");
        const [record] = lab.store.audit.page({ limit: 5, cursor: null, since: null, incident: incident.id }).items;
        assert.deepEqual([record?.action_type, record?.status], ["investigate", "FAILED"]);
      },
    ),
  );
  await t.test("stop", () =>
    withLab({ world: { objects: [deployment("shop/checkout:1")] } }, async (lab) => {
      const incident = lab.incident({});
      lab.sandbox.fault({ hang: true, times: 1_000 });
      const stopping = new AbortController();
      const running = lab.investigate.run(incident.id, stopping.signal);
      stopping.abort(new Error("SIGTERM"));
      await assert.rejects(running, /SIGTERM/);
      assert.equal(lab.store.incidents.get(incident.id)?.investigation, "queued");
      assert.deepEqual(lab.store.incidents.toInvestigate(new Date()), [incident.id]);
    }),
  );
});

test("a secret in a log is nowhere in the store, the card or the audit", () => {
  const secret = "correct-horse-battery";
  return withLab(
    {
      world: {
        images: {
          "shop/checkout:1": {
            exit: {
              code: 1,
              log: [`connecting postgres://app:${secret}@db/shop`, `FATAL: login failed password=${secret}`],
            },
          },
        },
        objects: [
          deployment("shop/checkout:1", {
            env: [{ name: "DB_PASSWORD", value: secret }],
            args: ["--api-token", secret],
          }),
        ],
      },
    },
    async (lab) => {
      await crashing(lab);
      const { diagnosis, evidence, incident } = await investigate(lab);
      const audit = lab.store.audit.page({ limit: 50, cursor: null, since: null }).items;
      const all = JSON.stringify([diagnosis, evidence, lab.store.incidents.get(incident.id), audit, lab.told]);
      assert.match(all, /\[masked:password:[0-9a-f]{4}\]/);
      assert.doesNotMatch(all, new RegExp(secret));
    },
  );
});

test("the words are in the configured language", () =>
  withLab(
    {
      locale: "zh-CN",
      world: {
        images: { "shop/checkout:1": { memory: "700Mi" } },
        objects: [deployment("shop/checkout:1", { resources: { limits: { memory: "512Mi" } } })],
      },
    },
    async (lab) => {
      await crashing(lab);
      const { diagnosis } = await investigate(lab);
      assert.match(diagnosis.conclusion, /需要的内存超过其上限 512Mi/);
      const own = [
        diagnosis.conclusion,
        ...diagnosis.ruledOut,
        ...diagnosis.unseen,
        ...diagnosis.findings.map(({ text }) => text),
      ];
      for (const text of own) assert.match(text, /\p{Script=Han}/u);
      assert.ok(lab.told.at(-1)?.facts.includes("内存上限 512Mi"));
    },
  ));

test("a person may ask about a pod by kubectl's short names: it is looked at as part of its workload", () =>
  withLab(
    {
      world: {
        images: { "shop/checkout:1": { memory: "700Mi" } },
        objects: [deployment("shop/checkout:1", { resources: { limits: { memory: "300M" } } })],
      },
    },
    async (lab) => {
      await crashing(lab);
      const { items } = await lab.cluster.read.list({ type: kinds.pod, namespace });
      const { diagnosis, remedies, facts, evidence } = await lab.investigate.diagnose(
        `po/${items[0]?.metadata.name}`,
        namespace,
        going,
      );
      assert.equal(diagnosis.cause, "OOMKilled");
      assert.deepEqual(remedies, [
        { kind: "setResources", namespace, target, container: "app", limits: { memory: "600M" } },
      ]);
      assert.ok(facts.includes("limit 300M"));
      assert.ok(evidence.every(({ incidentId }) => incidentId === null));
      await assert.rejects(lab.investigate.diagnose("everything", namespace, going), { code: "invalid" });
    },
  ));
