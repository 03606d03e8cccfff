import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import type { RbacRule } from "../bot/actions/definition.ts";
import { actions } from "../bot/actions/index.ts";
import type { Manifest } from "../bot/sandbox/index.ts";
import type { Action, ActionKind } from "../shared/action.ts";
import { digestOf, type Proposal } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { field, type KubeObject, kinds } from "../shared/kube.ts";
import { parseKubectlLine } from "../shared/kubectl-line.ts";
import {
  auditRecords,
  type Bench,
  deployment,
  insertIncident,
  namespace,
  node,
  startBench,
  world,
} from "./action-bench.ts";
import { until } from "./until.ts";

const secret = "correct-horse-battery-staple";

const statefulSet = (image: string): Manifest => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { namespace: "payment", name: "db" },
  spec: {
    replicas: 1,
    serviceName: "db",
    selector: { matchLabels: { app: "db" } },
    template: { metadata: { labels: { app: "db" } }, spec: { containers: [{ name: "db", image }] } },
  },
});

let bench: Bench;
before(async () => {
  bench = await startBench({
    objects: [
      ...world(),
      statefulSet("db:1"),
      deployment({ namespace: "payment", name: "plain" }),
      deployment({ namespace: "payment", name: "paused" }, { paused: true, replicas: 0 }),
      deployment(
        {
          namespace: "payment",
          name: "tracked",
          annotations: { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:payment/tracked" },
        },
        { replicas: 0 },
      ),
      deployment(
        {
          namespace: "payment",
          name: "fluxed",
          labels: {
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
          },
        },
        { replicas: 0 },
      ),
      {
        ...deployment({ namespace: "payment", name: "keyed" }, { replicas: 0 }),
        spec: {
          replicas: 0,
          selector: { matchLabels: { app: "keyed" } },
          template: {
            metadata: { labels: { app: "keyed" } },
            spec: { containers: [{ name: "app", image: "shop:1", env: [{ name: "DB_PASSWORD", value: secret }] }] },
          },
        },
      },
      {
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { namespace: "payment", name: "checkout-hpa" },
        spec: {
          minReplicas: 2,
          maxReplicas: 6,
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "checkout" },
        },
      },
      {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { namespace: "payment", name: "checkout-pdb" },
        spec: { minAvailable: 2, selector: { matchLabels: { app: "checkout" } } },
        status: { disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2 },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { namespace: "payment", name: "checkout-svc" },
        spec: { selector: { app: "checkout" }, ports: [{ port: 80 }] },
      },
    ],
  });
  await until("the first revision of the StatefulSet", () => revisions(1));
  bench.sandbox.apply([statefulSet("db:2")]);
  await until("its second revision", () => revisions(2));
  await settled("payment", "checkout");
  await settled("payment", "plain");
});
after(() => bench.stop());

async function live(kind: "deployment" | "statefulset", name: string, place = "payment"): Promise<KubeObject> {
  const object = await bench.cluster.read.get({ type: kinds[kind], namespace: place, name });
  assert.ok(object, `${kind}/${name}`);
  return object;
}

async function revisions(count: number): Promise<boolean> {
  const { items } = await bench.cluster.read.list({
    type: kinds.controllerrevision,
    namespace: "payment",
    labelSelector: "app=db",
  });
  return items.length === count;
}

function settled(place: string, name: string) {
  return until(`${place}/${name} is rolled out`, async () => {
    const object = await live("deployment", name, place);
    const wanted = field(object, "spec", "replicas");
    return (
      field(object, "status", "observedGeneration") === object.metadata.generation &&
      field(object, "status", "availableReplicas") === wanted &&
      field(object, "status", "updatedReplicas") === wanted &&
      field(object, "status", "replicas") === wanted
    );
  });
}

const propose = (action: Action, more: Partial<Parameters<Bench["propose"]["propose"]>[0]> = {}) =>
  bench.propose.propose({ action, incidentId: null, origin: "person", actor: bench.admin, rule: null, ...more });

const failsWith = (code: StewardError["code"], words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StewardError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};

const changed = (diff: string) =>
  diff
    .split("\n")
    .filter((line) => /^[-+](?![-+])/.test(line))
    .map((line) => line.replace(/\s+/g, " "));

const checkout = { namespace: "payment", target: "deployment/checkout" } as const;
const app = { ...checkout, container: "app" } as const;

describe("what a card shows", () => {
  const cases: readonly [
    Action,
    { summary: string; kubectl: string; diff: string[]; inverse: Action | null; risk?: string },
  ][] = [
    [
      { kind: "scale", ...checkout, replicas: 3 },
      {
        summary: "Scale deployment/checkout from 2 to 3 replicas",
        kubectl: "kubectl scale deployment/checkout --replicas=3 -n payment",
        diff: ["- replicas: 2", "+ replicas: 3"],
        inverse: { kind: "scale", ...checkout, replicas: 2 },
      },
    ],
    [
      { kind: "scale", ...checkout, replicas: 0 },
      {
        summary: "Scale deployment/checkout from 2 to 0 replicas",
        kubectl: "kubectl scale deployment/checkout --replicas=0 -n payment",
        diff: ["- replicas: 2", "+ replicas: 0"],
        inverse: { kind: "scale", ...checkout, replicas: 2 },
        risk: "critical",
      },
    ],
    [
      { kind: "setImage", ...app, image: "shop:2" },
      {
        summary: "Set the image of container app in deployment/checkout from shop:1 to shop:2",
        kubectl: "kubectl set image deployment/checkout app=shop:2 -n payment",
        diff: ["- - image: shop:1", "+ - image: shop:2"],
        inverse: { kind: "setImage", ...app, image: "shop:1" },
      },
    ],
    [
      { kind: "setImage", ...app, image: "evil.example/shop:2" },
      {
        summary: "Set the image of container app in deployment/checkout from shop:1 to evil.example/shop:2",
        kubectl: "kubectl set image deployment/checkout app=evil.example/shop:2 -n payment",
        diff: ["- - image: shop:1", "+ - image: evil.example/shop:2"],
        inverse: { kind: "setImage", ...app, image: "shop:1" },
        risk: "critical",
      },
    ],
    [
      { kind: "setResources", ...app, limits: { memory: "1Gi" } },
      {
        summary: "Raise the memory limit of deployment/checkout from 512Mi to 1Gi",
        kubectl: "kubectl set resources deployment/checkout -c app --limits=memory=1Gi -n payment",
        diff: ["- memory: 512Mi", "+ memory: 1Gi"],
        inverse: { kind: "setResources", ...app, limits: { memory: "512Mi" } },
      },
    ],
    [
      { kind: "setResources", ...app, limits: { memory: "256Mi" }, requests: { cpu: "100m" } },
      {
        summary: "Set requests.cpu – → 100m, limits.memory 512Mi → 256Mi for container app in deployment/checkout",
        kubectl:
          "kubectl set resources deployment/checkout -c app --requests=cpu=100m --limits=memory=256Mi -n payment",
        diff: ["- memory: 512Mi", "+ memory: 256Mi", "+ requests:", "+ cpu: 100m"],
        inverse: { kind: "setResources", ...app, requests: { cpu: null }, limits: { memory: "512Mi" } },
        risk: "critical",
      },
    ],
    [
      { kind: "rollback", namespace: "payment", target: "statefulset/db" },
      {
        summary: "Roll statefulset/db (db:2) back to revision 1",
        kubectl: "kubectl rollout undo statefulset/db --to-revision=1 -n payment",
        diff: ["- - image: db:2", "+ - image: db:1"],
        inverse: { kind: "rollback", namespace: "payment", target: "statefulset/db", toRevision: 2 },
        risk: "critical",
      },
    ],
  ];
  for (const [action, expected] of cases) {
    test(expected.summary, async () => {
      const proposal = await propose(action);
      assert.equal(proposal.state, "pending", proposal.reason ?? "");
      assert.equal(proposal.summary, expected.summary);
      assert.equal(proposal.kubectl, expected.kubectl);
      assert.deepEqual(changed(proposal.diff), expected.diff);
      assert.deepEqual(proposal.inverse, expected.inverse);
      assert.equal(proposal.risk, expected.risk ?? "high");
      assert.equal(proposal.digest, digestOf(proposal.action, proposal.request));
      assert.deepEqual(bench.store.proposals.get(proposal.id), proposal);
    });
  }

  test("a restart shows the one annotation it writes, cannot be undone, and says so", async () => {
    const proposal = await propose({ kind: "restart", ...checkout });
    assert.equal(proposal.inverse, null);
    assert.deepEqual(
      changed(proposal.diff).map((line) => line.replace(/: .*/, "")),
      ["+ annotations:", "+ kubectl.kubernetes.io/restartedAt"],
    );
    assert.ok(proposal.warnings.includes("Cannot be undone"));
  });

  test("deleting a pod shows all that goes, and by its uid names just that pod", async () => {
    const pod = (
      await bench.cluster.read.list({ type: kinds.pod, namespace: "payment", labelSelector: "app=checkout" })
    ).items[0];
    const proposal = await propose({ kind: "delete", namespace: "payment", target: `pod/${pod?.metadata.name}` });
    assert.ok(changed(proposal.diff).every((line) => line.startsWith("-")));
    assert.match(proposal.request?.body ?? "", new RegExp(`"preconditions":\\{"uid":"${pod?.metadata.uid}"`));
    assert.ok(proposal.warnings.some((text) => /PodDisruptionBudget checkout-pdb allows no disruption/.test(text)));
    assert.equal(proposal.ownerKey, "payment/deployment/checkout");
  });

  test("warnings name the autoscaler that undoes it, the pods and Services, and the last time", async () => {
    const proposal = await propose({ kind: "scale", ...checkout, replicas: 4 });
    assert.ok(
      proposal.warnings.includes("HPA checkout-hpa keeps this between 2 and 6 and will undo it"),
      String(proposal.warnings),
    );
    assert.ok(proposal.warnings.includes("Affects 2 pods; Services: checkout-svc"), String(proposal.warnings));
  });

  test("what cannot be looked at is said among the warnings", async () => {
    bench.sandbox.fault({ match: { path: "horizontalpodautoscalers" }, status: 403 });
    const proposal = await propose({ kind: "scale", ...checkout, replicas: 4 });
    assert.ok(
      proposal.warnings.some((text) => /Could not look at horizontalpodautoscalers/.test(text)),
      String(proposal.warnings),
    );
  });

  test("a dry run that fails is shown as refused, in the API server's own words, and nobody is called", async () => {
    const called = bench.notify.needs.length;
    const proposal = await propose({ kind: "setResources", ...app, requests: { memory: "2Gi" } });
    assert.equal(proposal.state, "refused");
    assert.match(proposal.reason ?? "", /must be less than or equal to memory limit/);
    assert.equal(bench.notify.needs.length, called);
    assert.equal(auditRecords(bench.store, { proposal: proposal.id }).at(-1)?.status, "FAILED");
  });

  test("no secret of the object is on the card or in the audit", async () => {
    for (const action of [
      { kind: "setImage", namespace: "payment", target: "deployment/keyed", container: "app", image: "shop:2" },
      { kind: "restart", namespace: "payment", target: "deployment/keyed" },
    ] as const) {
      const proposal = await propose(action);
      assert.equal(proposal.state, "pending");
      const { request: _, ...shown } = proposal;
      assert.ok(!JSON.stringify(shown).includes(secret));
    }
    assert.ok(!JSON.stringify(auditRecords(bench.store)).includes(secret));
  });

  test("in Chinese the card is Chinese", async () => {
    const other = await startBench({
      locale: "zh-CN",
      objects: [namespace("payment"), deployment({ namespace: "payment", name: "checkout" }, { replicas: 0 })],
    });
    try {
      const proposal = await other.propose.propose({
        action: { kind: "setResources", ...app, limits: { memory: "1Gi" } },
        incidentId: null,
        origin: "person",
        actor: other.admin,
        rule: null,
      });
      assert.equal(proposal.summary, "将 deployment/checkout 的内存上限由 512Mi 提高到 1Gi");
      assert.ok(proposal.warnings.includes("影响 0 个 Pod；不涉及 Service"));
    } finally {
      await other.stop();
    }
  });
});

describe("what does not fit the live object", () => {
  const cases: readonly [string, Action, StewardError["code"], RegExp][] = [
    [
      "an object that is not there",
      { kind: "restart", namespace: "payment", target: "deployment/nothing" },
      "not_found",
      /no deployment\/nothing in namespace payment/,
    ],
    [
      "a container that is not there",
      { kind: "setImage", ...checkout, container: "other", image: "a:1" },
      "invalid",
      /no container other; it has app/,
    ],
    ["the image it has", { kind: "setImage", ...app, image: "shop:1" }, "invalid", /already has image shop:1/],
    ["the size it has", { kind: "scale", ...checkout, replicas: 2 }, "invalid", /already has 2 replicas/],
    [
      "the resources it has",
      { kind: "setResources", ...app, limits: { memory: "512Mi" } },
      "invalid",
      /already has these resources/,
    ],
    [
      "no earlier revision",
      { kind: "rollback", namespace: "payment", target: "deployment/plain" },
      "invalid",
      /no earlier revision/,
    ],
    [
      "a revision that is not kept",
      { kind: "rollback", namespace: "payment", target: "statefulset/db", toRevision: 9 },
      "invalid",
      /no revision 9; it has 1, 2/,
    ],
    [
      "a rollout that is paused",
      { kind: "restart", namespace: "payment", target: "deployment/paused" },
      "invalid",
      /is paused/,
    ],
  ];
  for (const [what, action, code, words] of cases) {
    test(what, () => assert.rejects(propose(action), failsWith(code, words)));
  }

  test("a pod that nobody owns is not deleted, a ReplicaSet of a Deployment is not scaled", async () => {
    bench.sandbox.apply([
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace: "payment", name: "alone" },
        spec: { containers: [{ name: "a", image: "shop:1" }] },
      },
    ]);
    await assert.rejects(
      propose({ kind: "delete", namespace: "payment", target: "pod/alone" }),
      failsWith("refused", /would not come back/),
    );
    const sets = await bench.cluster.read.list({
      type: kinds.replicaset,
      namespace: "payment",
      labelSelector: "app=checkout",
    });
    const target = `replicaset/${sets.items[0]?.metadata.name}`;
    await assert.rejects(
      propose({ kind: "scale", namespace: "payment", target, replicas: 5 }),
      failsWith("refused", /scale deployment\/checkout/),
    );
  });

  test("an API server that does not answer the dry run makes no card", async () => {
    const before = bench.store.proposals.page({ limit: 100, cursor: null, since: null }).items.length;
    bench.sandbox.fault({ match: { method: "PATCH" }, drop: "before" });
    await assert.rejects(propose({ kind: "restart", ...checkout }), failsWith("unavailable", /dry run/));
    assert.equal(bench.store.proposals.page({ limit: 100, cursor: null, since: null }).items.length, before);
  });
});

describe("GitOps", () => {
  test("what a controller owns is shown but cannot be approved, with who owns it", async () => {
    for (const [name, owner] of [
      ["tracked", /Argo CD \(shop\) owns this/],
      ["fluxed", /Flux \(flux-system\/apps\) owns this/],
    ] as const) {
      const proposal = await propose({
        kind: "scale",
        namespace: "payment",
        target: `deployment/${name}`,
        replicas: 1,
      });
      assert.equal(proposal.state, "refused");
      assert.match(proposal.reason ?? "", owner);
      assert.deepEqual(changed(proposal.diff), ["- replicas: 0", "+ replicas: 1"]);
    }
  });

  test("a restart stays available", async () => {
    assert.equal(
      (await propose({ kind: "restart", namespace: "payment", target: "deployment/tracked" })).state,
      "pending",
    );
  });
});

describe("wishes again", () => {
  test("the same wish of an incident is one proposal while it is pending, also when a revision was left open", async () => {
    const incident = insertIncident(bench.store);
    const wish = { incidentId: incident.id };
    const first = await propose({ kind: "rollback", namespace: "payment", target: "statefulset/db" }, wish);
    const again = await propose({ kind: "rollback", namespace: "payment", target: "statefulset/db" }, wish);
    assert.equal(again.id, first.id);
    bench.gate.decide(first.id, { verdict: "deny", reason: null, actor: bench.admin });
    assert.notEqual(
      (await propose({ kind: "rollback", namespace: "payment", target: "statefulset/db" }, wish)).id,
      first.id,
    );
  });

  test("an incident's proposal waits longer than a person's; its rule may say otherwise", async () => {
    const incident = insertIncident(bench.store);
    const life = ({ createdAt, expiresAt }: Proposal) => (expiresAt.getTime() - createdAt.getTime()) / 60_000;
    assert.equal(life(await propose({ kind: "restart", ...checkout })), 15);
    assert.equal(life(await propose({ kind: "restart", ...checkout }, { incidentId: incident.id })), 120);
    assert.equal(life(await propose({ kind: "restart", ...checkout }, { ttl: 60_000 })), 1);
  });

  test("what expired is checked again as a new proposal on the same card; what waits is not", async () => {
    const old = await propose({ kind: "restart", ...checkout });
    await assert.rejects(bench.propose.renew(old.code, bench.admin), failsWith("conflict", /is pending/));
    bench.store.transact(() => bench.store.proposals.move(old.id, "pending", "expired"));
    const fresh = await bench.propose.renew(old.code.toLowerCase(), bench.admin);
    assert.notEqual(fresh.id, old.id);
    assert.equal(fresh.state, "pending");
    assert.equal(fresh.cardId, old.cardId);
    assert.deepEqual(fresh.action, old.action);
    assert.equal((await bench.propose.renew(old.code, bench.admin)).id, fresh.id);
    await assert.rejects(bench.propose.renew("nothing", bench.admin), failsWith("not_found", /no such approval/));
  });

  test("what a rule lets wait for a minute waits for a minute when it is checked again", async () => {
    const old = await propose({ kind: "restart", ...checkout }, { ttl: 60_000 });
    bench.store.transact(() => bench.store.proposals.move(old.id, "pending", "expired"));
    const fresh = await bench.propose.renew(old.code, bench.admin);
    assert.equal(fresh.expiresAt.getTime() - fresh.createdAt.getTime(), 60_000);
  });

  test("what an incident that is over proposed is not checked again", async () => {
    const incident = insertIncident(bench.store);
    const old = await propose({ kind: "restart", ...checkout }, { incidentId: incident.id });
    bench.store.transact(() => {
      bench.gate.withdraw(incident.id, "resolved");
      bench.store.incidents.move(incident.id, "open", "resolved");
    });
    await assert.rejects(bench.propose.renew(old.id, bench.admin), failsWith("conflict", /withdrawn/));
  });

  test("an incident that ends while the cluster is asked gets no proposal; what was done for it can still be undone", async () => {
    const incident = insertIncident(bench.store);
    const asked = propose({ kind: "scale", ...checkout, replicas: 6 }, { incidentId: incident.id });
    bench.store.transact(() => bench.store.incidents.move(incident.id, "open", "resolved"));
    await assert.rejects(asked, failsWith("conflict", /the incident is resolved/));
    assert.deepEqual(bench.store.proposals.ofIncident(incident.id), []);
    const done = await propose({ kind: "scale", ...checkout, replicas: 6 });
    const undo = await propose(
      { kind: "scale", ...checkout, replicas: 6 },
      { incidentId: incident.id, undoOf: done.id },
    );
    assert.equal(undo.state, "pending");
  });

  test("there is nothing to undo of what did not run", async () => {
    const proposal = await propose({ kind: "scale", ...checkout, replicas: 5 });
    await assert.rejects(
      bench.propose.undo(proposal.id, bench.admin),
      failsWith("conflict", /is pending: there is nothing to undo/),
    );
  });
});

describe("what an action declares of its rights", () => {
  const pod = async (of: Bench) => {
    const { items } = await of.cluster.read.list({
      type: kinds.pod,
      namespace: "payment",
      labelSelector: "app=checkout",
    });
    return `pod/${items[0]?.metadata.name}`;
  };
  /** One action of each kind, and of each workload kind where that asks for another right. */
  const wanted: Readonly<Record<ActionKind, (of: Bench) => Promise<readonly Action[]>>> = {
    restart: async () => [
      { kind: "restart", ...checkout },
      { kind: "restart", namespace: "payment", target: "statefulset/db" },
    ],
    scale: async () => [{ kind: "scale", ...checkout, replicas: 3 }],
    setResources: async () => [{ kind: "setResources", ...app, limits: { memory: "1Gi" } }],
    setImage: async () => [{ kind: "setImage", ...app, image: "shop:2" }],
    rollback: async () => [{ kind: "rollback", ...checkout }],
    delete: async (of) => [{ kind: "delete", namespace: "payment", target: await pod(of) }],
  };

  const grant = (name: string, rules: readonly RbacRule[]): Manifest[] => [
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name }, rules },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "steward-act" }],
    },
  ];

  for (const kind of Object.keys(actions) as ActionKind[]) {
    test(`is enough for ${kind}, and no proposal can be approved without it`, async () => {
      const other = await startBench({
        actAs: "steward-act",
        objects: [
          node(),
          namespace("payment"),
          deployment({ namespace: "payment", name: "checkout" }),
          statefulSet("db:1"),
        ],
      });
      const ask = async (action: Action) =>
        other.propose.propose({ action, incidentId: null, origin: "person", actor: other.admin, rule: null });
      try {
        await until("a second revision and its pods", async () => {
          const object = await other.cluster.read.get({
            type: kinds.deployment,
            namespace: "payment",
            name: "checkout",
          });
          return field(object, "status", "replicas") === 2;
        });
        other.sandbox.apply([deployment({ namespace: "payment", name: "checkout" }, { replicas: 2, image: "shop:3" })]);
        await until("the second revision", async () => {
          const sets = await other.cluster.read.list({ type: kinds.replicaset, namespace: "payment" });
          return sets.items.length === 2;
        });
        for (const action of await wanted[kind](other)) {
          const without = await ask(action);
          assert.equal(without.state, "refused");
          assert.match(without.reason ?? "", /User "steward-act" cannot (patch|delete) resource/);
        }
        other.sandbox.apply(grant("steward-act", actions[kind].rbac.act));
        for (const action of await wanted[kind](other)) {
          const proposal = await ask(action);
          assert.equal(proposal.state, "pending", proposal.reason ?? "");
        }
      } finally {
        await other.stop();
      }
    });
  }
});

describe("the digest", () => {
  const request = fc.record({
    method: fc.constantFrom("PATCH" as const, "DELETE" as const),
    path: fc.string(),
    contentType: fc.string(),
    body: fc.string(),
  });
  const action: fc.Arbitrary<Action> = fc.record({
    kind: fc.constant("scale" as const),
    namespace: fc.constant("payment"),
    target: fc.constant("deployment/x"),
    replicas: fc.nat({ max: 100 }),
  });

  test("is the same for the same action and bytes, whatever the order of keys, and another for any other", () => {
    fc.assert(
      fc.property(action, request, action, request, (a, r, b, s) => {
        const reversed = Object.fromEntries(Object.entries(a).reverse()) as Action;
        assert.equal(digestOf(a, r), digestOf(reversed, { ...r }));
        const equal = JSON.stringify([a, r]) === JSON.stringify([b, s]);
        assert.equal(digestOf(a, r) === digestOf(b, s), equal);
        assert.notEqual(digestOf(a, r), digestOf(a, { ...r, body: `${r.body} ` }));
      }),
      { numRuns: 2_000, seed: 5 },
    );
  });
});

/** kubectl as the judge: the command on the card, run for real on a twin, gives the object that Steward's own bytes give. */
describe("the kubectl command on the card", {
  skip: spawnSync("kubectl", ["version", "--client"]).error ? "kubectl is not on PATH" : false,
}, () => {
  const twins: readonly Action[] = [
    { kind: "scale", namespace: "twins", target: "deployment/ours", replicas: 3 },
    { kind: "setImage", namespace: "twins", target: "deployment/ours", container: "app", image: "shop:2" },
    {
      kind: "setResources",
      namespace: "twins",
      target: "deployment/ours",
      container: "app",
      limits: { memory: "1Gi", cpu: "1" },
      requests: { cpu: "100m" },
    },
    {
      kind: "setResources",
      namespace: "twins",
      target: "deployment/ours",
      container: "app",
      limits: { cpu: null },
      requests: { cpu: null },
    },
    { kind: "restart", namespace: "twins", target: "deployment/ours" },
    { kind: "rollback", namespace: "twins", target: "deployment/ours" },
    { kind: "rollback", namespace: "twins", target: "deployment/ours", toRevision: 1 },
  ];
  let kubeconfig: string;

  before(async () => {
    kubeconfig = join(bench.path, "..", "kubectl-config");
    writeFileSync(kubeconfig, bench.sandbox.kubeconfig());
    bench.sandbox.apply([
      namespace("twins"),
      deployment({ namespace: "twins", name: "ours", annotations: { team: "shop" } }, { replicas: 1 }),
      deployment({ namespace: "twins", name: "theirs", annotations: { team: "shop" } }, { replicas: 1 }),
    ]);
    await settled("twins", "ours");
    await settled("twins", "theirs");
  });

  /** No shell is needed: only a patch has quotes, around its one argument. */
  async function run(command: string): Promise<void> {
    const [, ...args] = command.match(/'[^']*'|\S+/g) ?? [];
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    await promisify(execFile)(
      "kubectl",
      args.map((arg) => arg.replaceAll("'", "")),
      { env },
    );
  }

  const essence = (object: KubeObject) => {
    const text = JSON.stringify({
      annotations: { ...object.metadata.annotations, "steward.io/op": undefined },
      spec: object["spec"],
    });
    return JSON.parse(
      text
        .replaceAll(/"kubectl.kubernetes.io\/restartedAt":"[^"]*"/g, '"kubectl.kubernetes.io/restartedAt":"T"')
        .replaceAll(/"(ours|theirs)"/g, '"twin"'),
    );
  };

  for (const action of twins) {
    test(`${action.kind} ${JSON.stringify(action)}`, async () => {
      const proposal = await propose(action);
      assert.equal(proposal.state, "pending", proposal.reason ?? "");
      await run(proposal.kubectl.replace("/ours", "/theirs"));
      assert.ok(proposal.request);
      const answer = await bench.cluster.act.send(proposal.request, { dryRun: false });
      assert.equal(answer.outcome, "done");
      await settled("twins", "ours");
      await settled("twins", "theirs");
      assert.deepEqual(
        essence(await live("deployment", "ours", "twins")),
        essence(await live("deployment", "theirs", "twins")),
      );
      if (!proposal.kubectl.startsWith("kubectl patch"))
        assert.deepEqual(parseKubectlLine(proposal.kubectl, "default"), proposal.action);
    });
  }
});
