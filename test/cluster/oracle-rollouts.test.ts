/** Our verdict of a rollout against `kubectl rollout status`, at every moment that the API server told kubectl of. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Rollout, rolloutOf } from "../../bot/actions/rollout.ts";
import { healthOf } from "../../bot/checks.ts";
import {
  apiVersionOf,
  field,
  isKubeObject,
  type KubeObject,
  kinds,
  listField,
  type ResourceType,
} from "../../shared/kube.ts";
import { daemonSet, deployment, image, missingImage, otherImage, statefulSet } from "../contracts/drafts.ts";
import { startFront } from "../contracts/front.ts";
import type { Draft } from "../contracts/ground.ts";
import { createOracle, type Oracle } from "./oracle.ts";

describe("rollouts and kubectl rollout status", () => {
  let oracle: Oracle;
  let ns: string;
  before(async () => {
    oracle = createOracle("rollouts");
    ns = await oracle.namespace("x");
  });
  after(() => oracle.close());

  /** Follows a rollout with kubectl through a front, and returns what kubectl said and every object that it was told. */
  async function followed(type: ResourceType, name: string, begin: () => Promise<unknown>) {
    const front = await startFront(oracle.kubeconfig);
    try {
      const kubeconfig = oracle.file(`${name}.kubeconfig`, front.kubeconfig);
      const word = type.kind.toLowerCase();
      // Changed first, so that kubectl finds the new specification and perhaps not yet observed.
      await begin();
      const output = await oracle.kubectl(["rollout", "status", `${word}/${name}`, "-n", ns, "--timeout=45s"], {
        kubeconfig,
      });
      const objects = front.passages
        .filter(({ path }) => path.includes("fieldSelector="))
        .flatMap(({ answer, path }) => (path.includes("watch=") ? fromWatch(answer, type) : fromList(answer, type)));
      return { output, objects };
    } finally {
      await front.stop();
    }
  }

  /** What we would have said of these objects, up to the first that ends the wait, as kubectl does. */
  function ours(objects: readonly KubeObject[]): { said: Rollout[]; text: string } {
    const all = objects.map(rolloutOf);
    const end = all.findIndex(({ state }) => state === "done" || state === "failed");
    const said = end === -1 ? all : all.slice(0, end + 1);
    return {
      said,
      text: said
        .filter(({ state }) => state !== "failed")
        .map(({ text }) => `${text}\n`)
        .join(""),
    };
  }

  const setImage = (type: ResourceType, name: string, to: string) => () =>
    oracle.ok("set", "image", `${type.kind.toLowerCase()}/${name}`, `main=${to}`, "-n", ns);
  const create = (draft: Draft) => () => oracle.create(ns, draft);

  const slow = { minReadySeconds: 2 };
  const seen: string[] = [];
  const stories: readonly (readonly [
    what: string,
    type: ResourceType,
    name: string,
    begin: (oracle: Oracle) => () => Promise<unknown>,
  ])[] = [
    [
      "a Deployment is made",
      kinds.deployment,
      "web",
      () =>
        create(
          deployment("web", { replicas: 4, ...slow, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }),
        ),
    ],
    ["a Deployment gets another image", kinds.deployment, "web", () => setImage(kinds.deployment, "web", otherImage)],
    [
      "a Deployment grows",
      kinds.deployment,
      "web",
      (of) => () => of.ok("scale", "deployment/web", "--replicas=6", "-n", ns),
    ],
    [
      "a Deployment shrinks",
      kinds.deployment,
      "web",
      (of) => () => of.ok("scale", "deployment/web", "--replicas=1", "-n", ns),
    ],
    [
      "a Deployment has no replicas",
      kinds.deployment,
      "web",
      (of) => () => of.ok("scale", "deployment/web", "--replicas=0", "-n", ns),
    ],
    [
      "a Deployment of strategy Recreate",
      kinds.deployment,
      "recreate",
      () => create(deployment("recreate", { replicas: 2, ...slow, strategy: { type: "Recreate" } })),
    ],
    ["and its next release", kinds.deployment, "recreate", () => setImage(kinds.deployment, "recreate", otherImage)],
    ["a StatefulSet is made", kinds.statefulset, "db", () => create(statefulSet("db", { replicas: 3 }))],
    ["a StatefulSet gets another image", kinds.statefulset, "db", () => setImage(kinds.statefulset, "db", otherImage)],
    [
      "a StatefulSet with a partition",
      kinds.statefulset,
      "part",
      () =>
        create(
          statefulSet("part", {
            replicas: 3,
            updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } },
          }),
        ),
    ],
    ["and its next release", kinds.statefulset, "part", () => setImage(kinds.statefulset, "part", otherImage)],
    ["a DaemonSet is made", kinds.daemonset, "agent", () => create(daemonSet("agent", slow))],
    ["a DaemonSet gets another image", kinds.daemonset, "agent", () => setImage(kinds.daemonset, "agent", otherImage)],
  ];
  for (const [what, type, name, begin] of stories) {
    test(`${what}: the same words, in the same order`, async () => {
      const { output, objects } = await followed(type, name, begin(oracle));
      assert.equal(output.code, 0, output.stderr);
      const { said, text } = ours(objects);
      assert.equal(text, output.stdout);
      for (const one of said) seen.push(one.text);
      assert.equal(said.at(-1)?.state, "done");
      assert.equal(said.at(-1)?.share, 1);
    });
  }

  test("these were many different moments", () => {
    for (const words of [
      /new replicas have been updated/,
      /old replicas are pending termination/,
      /updated replicas are available/,
      /pods to be ready/,
      /new pods have been updated/,
      /updated pods are available/,
      /partitioned roll out complete/,
    ]) {
      assert.ok(
        seen.some((text) => words.test(text)),
        `${words} among\n${seen.join("\n")}`,
      );
    }
    assert.ok(new Set(seen).size >= 15, `${new Set(seen).size} different texts`);
  });

  test("a rollout whose deadline is over fails with kubectl's words, and verification calls it failed", async () => {
    await oracle.create(ns, deployment("stuck", { replicas: 2, progressDeadlineSeconds: 3 }));
    await oracle.ok("rollout", "status", "deployment/stuck", "-n", ns);
    const { output, objects } = await followed(
      kinds.deployment,
      "stuck",
      setImage(kinds.deployment, "stuck", missingImage),
    );
    assert.equal(output.code, 1);
    const { said, text } = ours(objects);
    assert.equal(text, output.stdout);
    const last = said.at(-1);
    assert.equal(last?.state, "failed");
    assert.equal(output.stderr, `error: ${last?.text}\n`);
    const object = objects[said.length - 1];
    assert.ok(object);
    const before = { pods: {}, warnings: {}, written: {}, unseen: [] };
    const health = healthOf({ object, pods: [], warnings: [] }, before, "en");
    assert.deepEqual([health.well, health.failure], [false, last?.text]);
  });

  test("a Deployment that comes right after its deadline is well again for both", async () => {
    const { output, objects } = await followed(kinds.deployment, "stuck", setImage(kinds.deployment, "stuck", image));
    const { said, text } = ours(objects);
    assert.equal(text, output.stdout);
    // Asked before the controller saw the change, both still speak of the old deadline's end, or wait; never success too soon.
    assert.equal(output.code === 0, said.at(-1)?.state === "done");
    await oracle.ok("rollout", "status", "deployment/stuck", "-n", ns);
    assert.equal(rolloutOf(await oracle.get(kinds.deployment, ns, "stuck")).state, "done");
  });

  test("what kubectl cannot measure, we do not call done", async () => {
    await oracle.create(ns, daemonSet("lazy", { updateStrategy: { type: "OnDelete" } }));
    const { stderr, code } = await oracle.kubectl(["rollout", "status", "daemonset/lazy", "-n", ns]);
    const { state, text } = rolloutOf(await oracle.get(kinds.daemonset, ns, "lazy"));
    assert.deepEqual([code, state], [1, "unmeasured"]);
    assert.match(stderr, /rollout status is only available for RollingUpdate strategy type/);
    assert.match(text, /rollout status is only available for RollingUpdate strategy type/);
  });
});

function typed(object: unknown, type: ResourceType): KubeObject[] {
  const whole: unknown = { apiVersion: apiVersionOf(type), kind: type.kind, ...Object(object) };
  return isKubeObject(whole) ? [whole] : [];
}

function fromList(answer: string, type: ResourceType): KubeObject[] {
  return listField(JSON.parse(answer), "items").flatMap((item) => typed(item, type));
}

function fromWatch(answer: string, type: ResourceType): KubeObject[] {
  return answer
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line))
    .filter((event) => field(event, "type") === "ADDED" || field(event, "type") === "MODIFIED")
    .flatMap((event) => typed(field(event, "object"), type));
}
