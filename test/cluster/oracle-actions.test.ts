/** Every action against the kubectl command that its card shows: the same object, the same changed lines, the same refusals. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Plan, Target } from "../../bot/actions/definition.ts";
import { diffObjects } from "../../bot/actions/diff.ts";
import { definitionOf } from "../../bot/actions/index.ts";
import { resolveTarget } from "../../bot/actions/target.ts";
import type { WriteAnswer } from "../../bot/edges.ts";
import type { Action } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { field, type KubeObject, kinds, listField } from "../../shared/kube.ts";
import { daemonSet, deployment, image, otherImage, statefulSet } from "../contracts/drafts.ts";
import { type Front, startFront } from "../contracts/front.ts";
import { objectOf } from "../contracts/ground.ts";
import { createOracle, type Oracle } from "./oracle.ts";

const restartedAt = "kubectl.kubernetes.io/restartedAt";
const opAnnotation = "steward.io/op";
/** What kubectl can rehearse by itself, and print the outcome of. The front turns the others into dry runs. */
const rehearsed = ["setResources", "setImage"];

describe("actions and kubectl", () => {
  let oracle: Oracle;
  let front: Front;
  let frontConfig: string;
  let ns: string;

  before(async () => {
    oracle = createOracle("actions");
    front = await startFront(oracle.kubeconfig);
    front.rewrite((path, method) =>
      method === "GET" || path.includes("dryRun=") ? path : `${path}${path.includes("?") ? "&" : "?"}dryRun=All`,
    );
    frontConfig = oracle.file("front.kubeconfig", front.kubeconfig);
    ns = await oracle.namespace("x");
    // A life as in a real cluster: applied by kubectl, annotated, released twice.
    const resources = { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "512Mi" } };
    const of = { container: { resources } };
    const release = async (to: string, cause: string) => {
      const annotated = { "kubernetes.io/change-cause": cause, team: "payment" };
      for (const draft of [
        deployment("web", { replicas: 2 }, { ...of, image: to }),
        statefulSet("db", { replicas: 2 }, { ...of, image: to }),
        daemonSet("agent", {}, { ...of, image: to }),
      ]) {
        const metadata = { ...draft.metadata, ...(draft.kind === "Deployment" ? { annotations: annotated } : {}) };
        await oracle.ok("apply", "-n", ns, "-f", oracle.file(`${draft.kind}.json`, { ...draft, metadata }));
      }
      for (const name of ["deployment/web", "statefulset/db", "daemonset/agent"]) {
        await oracle.ok("rollout", "status", name, "-n", ns, "--timeout=60s");
      }
    };
    await release(image, "the first release");
    await release(otherImage, "the second release");
    await oracle.create(ns, deployment("paused", { replicas: 1 }), deployment("new", { replicas: 1 }));
    for (const name of ["paused", "new"]) await oracle.ok("rollout", "status", `deployment/${name}`, "-n", ns);
    await oracle.ok("set", "image", "deployment/paused", `main=${otherImage}`, "-n", ns);
    await oracle.ok("rollout", "status", "deployment/paused", "-n", ns);
    await oracle.ok("rollout", "pause", "deployment/paused", "-n", ns);
  });
  after(async () => {
    await front.stop();
    await oracle.close();
  });

  interface Rehearsal {
    target: Target;
    plan: Plan<Action>;
    answer: WriteAnswer;
  }

  async function rehearse(action: Action): Promise<Rehearsal> {
    const { read, act } = oracle.cluster;
    const target = await resolveTarget(read, action);
    const plan = await definitionOf(action).plan(action, target, {
      read,
      op: "op-1",
      at: new Date("2026-01-01T00:00:00Z"),
      locale: "en",
    });
    return { target, plan, answer: await act.send(plan.request, { dryRun: true }) };
  }

  /** Runs the command as a dry run and returns what the server answered to its last write. */
  async function theirs(line: string, flags = "") {
    const from = front.passages.length;
    const output = await oracle.shell(`${line}${flags}`, { kubeconfig: frontConfig });
    const written = front.passages.slice(from).filter(({ method }) => method !== "GET");
    return { output, written: written.at(-1) };
  }

  const workloads = ["deployment/web", "statefulset/db", "daemonset/agent"] as const;
  type Place = { namespace: string; target: (typeof workloads)[number] };
  const everywhere: readonly (readonly [what: string, of: (place: Place) => Action])[] = [
    ["restart", (place) => ({ kind: "restart", ...place })],
    ["a limit raised", (place) => ({ kind: "setResources", ...place, container: "main", limits: { memory: "1Gi" } })],
    [
      "a limit and a request, one of them new",
      (place) => ({
        kind: "setResources",
        ...place,
        container: "main",
        limits: { cpu: "1", memory: "768Mi" },
        requests: { cpu: "200m" },
      }),
    ],
    [
      "a limit taken away",
      (place) => ({ kind: "setResources", ...place, container: "main", limits: { memory: null } }),
    ],
    [
      "a request taken away and a limit set",
      (place) => ({
        kind: "setResources",
        ...place,
        container: "main",
        requests: { cpu: null },
        limits: { memory: "2Gi" },
      }),
    ],
    ["an image", (place) => ({ kind: "setImage", ...place, container: "main", image: "registry.example/web:3" })],
    ["back to the release before", (place) => ({ kind: "rollback", ...place })],
    ["back to a release by its number", (place) => ({ kind: "rollback", ...place, toRevision: 1 })],
  ];

  for (const target of workloads) {
    for (const [what, of] of everywhere) {
      test(`${what}, of ${target}: kubectl's object is ours`, async () => {
        const action = of({ namespace: ns, target });
        const { plan, answer } = await rehearse(action);
        assert.ok(answer.outcome === "done" && answer.object !== null, JSON.stringify(answer));
        const line = definitionOf(plan.action).kubectl(plan.action);
        const prints = rehearsed.includes(action.kind);
        const { output, written } = await theirs(line, prints ? " --dry-run=server -o json" : "");
        assert.equal(output.code, 0, `${line}: ${output.stderr}`);
        assert.ok(written !== undefined && written.status === 200, line);
        const shown = objectOf(JSON.parse(written.answer));
        assert.deepEqual(comparable(answer.object), comparable(shown));
        if (prints) assert.deepEqual(comparable(objectOf(JSON.parse(output.stdout))), comparable(shown));
      });
    }
  }

  for (const target of ["deployment/web", "statefulset/db"] as const) {
    for (const replicas of [0, 5]) {
      test(`${replicas} replicas of ${target}: kubectl scales as we do, and we touch nothing else`, async () => {
        const { target: before, plan, answer } = await rehearse({ kind: "scale", namespace: ns, target, replicas });
        assert.ok(answer.outcome === "done" && answer.object !== null, JSON.stringify(answer));
        const { output, written } = await theirs(definitionOf(plan.action).kubectl(plan.action));
        assert.equal(output.code, 0, output.stderr);
        const scale: unknown = JSON.parse(written?.answer ?? "null");
        assert.equal(field(scale, "kind"), "Scale");
        assert.equal(field(answer.object, "spec", "replicas"), field(scale, "spec", "replicas") ?? 0);
        const { generation } = before.object.metadata;
        const resized = structuredClone(before.object);
        Object.assign(Object(resized["spec"]), { replicas });
        resized.metadata.generation = Number(generation) + 1;
        assert.deepEqual(comparable(answer.object), comparable(resized));
      });
    }
  }

  test("delete of an owned pod: kubectl asks for the same, and neither rehearsal deletes", async () => {
    const { items } = await oracle.cluster.read.list({ type: kinds.pod, namespace: ns, labelSelector: "app=web" });
    const name = items[0]?.metadata.name;
    assert.ok(name);
    const action: Action = { kind: "delete", namespace: ns, target: `pod/${name}` };
    const { plan, answer } = await rehearse(action);
    assert.equal(answer.outcome, "done");
    const { output, written } = await theirs(definitionOf(action).kubectl(action), " --dry-run=server");
    assert.equal(output.code, 0, output.stderr);
    assert.equal(output.stdout, `pod "${name}" deleted from ${ns} namespace (server dry run)\n`);
    assert.equal(written?.method, plan.request.method);
    assert.equal(written?.path.split("?")[0], plan.request.path);
    const pod = await oracle.get(kinds.pod, ns, name);
    assert.equal(pod.metadata.deletionTimestamp, undefined);
  });

  describe("the diff on the card has kubectl diff's lines", () => {
    for (const target of workloads) {
      for (const [what, of] of everywhere) {
        test(`${what}, of ${target}`, async () => {
          const { target: before, answer } = await rehearse(of({ namespace: ns, target }));
          assert.ok(answer.outcome === "done" && answer.object !== null, JSON.stringify(answer));
          const { status: _, metadata, ...rest } = comparable(answer.object, {});
          const { uid: __, generation: ___, resourceVersion: ____, creationTimestamp: _____, ...kept } = metadata;
          const manifest = oracle.file("after.json", { ...rest, metadata: kept });
          const { code, stdout, stderr } = await oracle.kubectl(["diff", "-n", ns, "-f", manifest]);
          assert.equal(code, 1, stderr);
          assert.deepEqual(changedLines(diffObjects(before.object, answer.object)), changedLines(stdout));
        });
      }
    }
  });

  describe("what kubectl refuses, we refuse", () => {
    const web = { target: "deployment/web" } as const;
    const refused: readonly (readonly [
      what: string,
      action: (namespace: string) => Action,
      ours: RegExp,
      theirs: RegExp,
    ])[] = [
      [
        "a restart of what is paused",
        (namespace) => ({ kind: "restart", namespace, target: "deployment/paused" }),
        /is paused: cannot restart it/,
        /can't restart paused deployment/,
      ],
      [
        "a rollback of what is paused",
        (namespace) => ({ kind: "rollback", namespace, target: "deployment/paused" }),
        /is paused: cannot roll back it/,
        /you cannot rollback a paused deployment/,
      ],
      [
        "a rollback of what has one release",
        (namespace) => ({ kind: "rollback", namespace, target: "deployment/new" }),
        /no earlier revision/,
        /no rollout history found/,
      ],
      [
        "a rollback to a release that is not there",
        (namespace) => ({ kind: "rollback", namespace, ...web, toRevision: 9 }),
        /has no revision 9/,
        /unable to find specified revision 9/,
      ],
      [
        "an image of a container that is not there",
        (namespace) => ({ kind: "setImage", namespace, ...web, container: "nope", image }),
        /has no container nope/,
        /unable to find container named "nope"/,
      ],
      [
        "resources of a container that is not there",
        (namespace) => ({ kind: "setResources", namespace, ...web, container: "nope", limits: { memory: "1Gi" } }),
        /has no container nope/,
        /unable to find container named "?nope"?/,
      ],
      [
        "an object that is not there",
        (namespace) => ({ kind: "restart", namespace, target: "deployment/nope" }),
        /there is no deployment\/nope/,
        /deployments\.apps "nope" not found/,
      ],
    ];
    for (const [what, of, ours, expected] of refused) {
      test(what, async () => {
        const action = of(ns);
        await assert.rejects(rehearse(action), (error) => error instanceof StewardError && ours.test(error.message));
        const { output } = await theirs(definitionOf(action).kubectl(action));
        assert.notEqual(output.code, 0);
        assert.match(output.stderr, expected);
      });
    }

    test("what the server refuses is said to both in the same words", async () => {
      const action: Action = {
        kind: "setResources",
        namespace: ns,
        ...web,
        container: "main",
        requests: { memory: "1Gi" },
      };
      const { answer } = await rehearse(action);
      assert.ok(answer.outcome === "rejected", JSON.stringify(answer));
      assert.match(answer.message, /must be less than or equal to memory limit of 512Mi/);
      const { output } = await theirs(definitionOf(action).kubectl(action));
      assert.ok(output.stderr.includes(answer.message), output.stderr);
    });
  });

  test("the revisions that a rollback finds are those of kubectl rollout history", async () => {
    for (const target of workloads) {
      const history = await oracle.ok("rollout", "history", target, "-n", ns);
      const numbers = [...history.matchAll(/^(\d+) /gm)].map(([, number]) => Number(number));
      assert.deepEqual(numbers, [1, 2], history);
      const { plan } = await rehearse({ kind: "rollback", namespace: ns, target });
      assert.equal(field(plan.action, "toRevision"), 1);
      const shown = await oracle.ok("rollout", "history", target, "--revision=1", "-n", ns, "-o", "json");
      const template = field(JSON.parse(shown), "spec", "template") ?? field(JSON.parse(shown), "template");
      const container = listField(template, "spec", "containers")[0];
      assert.equal(field(container, "image"), image);
    }
  });

  test("nothing of all this was written", async () => {
    for (const { method, forwarded, body } of front.passages) {
      if (method === "DELETE") assert.match(body, /"dryRun":\["All"\]/);
      else if (method !== "GET") assert.match(forwarded, /dryRun=All/);
    }
    for (const [target, generation] of [
      ["web", 2],
      ["db", 2],
      ["agent", 2],
    ] as const) {
      const type = { web: kinds.deployment, db: kinds.statefulset, agent: kinds.daemonset }[target];
      const object = await oracle.get(type, ns, target);
      const observed = Number(field(object, "status", "observedGeneration"));
      assert.equal(object.metadata.generation, observed, target);
      assert.ok(observed >= generation);
      assert.equal(object.metadata.annotations?.[opAnnotation], undefined);
    }
  });
});

/** Without what may differ: managed fields, the operation's mark, the time of a restart. */
function comparable(object: KubeObject, time: object = { time: "T" }): KubeObject {
  const { metadata, ...rest } = structuredClone(object);
  const { managedFields: _, annotations = {}, ...kept } = metadata;
  const { [opAnnotation]: __, ...left } = annotations;
  const annotated = field(rest, "spec", "template", "metadata", "annotations");
  if ("time" in time && field(annotated, restartedAt) !== undefined)
    Object.assign(Object(annotated), { [restartedAt]: "T" });
  return {
    ...rest,
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...kept, ...(Object.keys(left).length > 0 ? { annotations: left } : {}) },
  };
}

/** What is taken away and what is added, line by line, without what no decision rests on. */
function changedLines(diff: string): string[] {
  return diff
    .split("\n")
    .filter((line) => /^[+-](?![+-]{2})/.test(line))
    .filter(
      (line) =>
        !/^.\s+(generation: \d+|steward\.io\/op: .*|deprecated\.daemonset\.template\.generation: .*)$/.test(line),
    )
    .map((line) => line.replace(/^(.)\s*/, "$1 "))
    .toSorted();
}
