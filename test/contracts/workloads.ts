import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { field, type KubeObject, kinds, listField, pathOf, stringField } from "../../shared/kube.ts";
import { until } from "../until.ts";
import { batchImage, daemonSet, deployment, image, missingImage, otherImage, statefulSet } from "./drafts.ts";
import { type Ground, wordsOf } from "./ground.ts";

const revision = "deployment.kubernetes.io/revision";

/** What controllers make of workloads: rollouts, revisions, sizes, and how they say that they cannot. */
export function workloadsContract(ground: () => Ground): void {
  describe("workloads", () => {
    let ns: string;
    before(async () => {
      ns = await ground().namespace("workloads");
    });

    const list = async (type: (typeof kinds)[keyof typeof kinds], app: string) =>
      (await ground().cluster.read.list({ type, namespace: ns, labelSelector: `app=${app}` })).items;
    const settled = (name: string, type = kinds.deployment as (typeof kinds)[keyof typeof kinds]) =>
      ground().settled(`${name} is rolled out`, type, ns, name, isSettled);
    const setImage = (name: string, to: string, type = kinds.deployment as (typeof kinds)[keyof typeof kinds]) =>
      ground().patch("strategic", pathOf(type, ns, name), {
        spec: { template: { spec: { containers: [{ name: "main", image: to }] } } },
      });
    const condition = (object: KubeObject, type: string) =>
      listField(object, "status", "conditions").find((c) => field(c, "type") === type);
    const said = (object: KubeObject, type: string) => {
      const found = condition(object, type);
      return [field(found, "status"), field(found, "reason"), String(field(found, "message"))];
    };

    describe("a Deployment", () => {
      test("makes one ReplicaSet, which makes its pods; each knows its owner and the hash of its template", async () => {
        await ground().create(ns, deployment("web"));
        const web = await settled("web");
        assert.equal(web.metadata.annotations?.[revision], "1");
        const [set, ...others] = await list(kinds.replicaset, "web");
        assert.ok(set);
        assert.equal(others.length, 0);
        const hash = set.metadata.labels?.["pod-template-hash"];
        assert.match(String(hash), /^[bcdfghjklmnpqrstvwxz2456789]{8,10}$/);
        assert.equal(set.metadata.name, `web-${hash}`);
        assert.deepEqual(set.metadata.annotations, {
          "deployment.kubernetes.io/desired-replicas": "2",
          "deployment.kubernetes.io/max-replicas": "3",
          [revision]: "1",
        });
        assert.deepEqual(field(set, "spec", "selector", "matchLabels"), { app: "web", "pod-template-hash": hash });
        const { controller, kind, uid, blockOwnerDeletion } = Object(set.metadata.ownerReferences?.[0]);
        assert.deepEqual([controller, blockOwnerDeletion, kind, uid], [true, true, "Deployment", web.metadata.uid]);
        for (const { metadata } of await list(kinds.pod, "web")) {
          assert.match(metadata.name, new RegExp(`^web-${hash}-[bcdfghjklmnpqrstvwxz2456789]{5}$`));
          assert.deepEqual(metadata.labels, { app: "web", "pod-template-hash": hash });
          assert.equal(metadata.ownerReferences?.[0]?.uid, set.metadata.uid);
        }
      });

      test("says in its conditions that it is available and why it progressed", async () => {
        const web = await settled("web");
        const [set] = await list(kinds.replicaset, "web");
        assert.deepEqual(said(web, "Available"), [
          "True",
          "MinimumReplicasAvailable",
          "Deployment has minimum availability.",
        ]);
        assert.deepEqual(said(web, "Progressing"), [
          "True",
          "NewReplicaSetAvailable",
          `ReplicaSet "${set?.metadata.name}" has successfully progressed.`,
        ]);
        const { conditions: _, ...status } = Object(web["status"]);
        assert.deepEqual(status, {
          availableReplicas: 2,
          observedGeneration: web.metadata.generation,
          readyReplicas: 2,
          replicas: 2,
          terminatingReplicas: 0,
          updatedReplicas: 2,
        });
      });

      test("makes a second revision of another image, and keeps the first with no pods", async () => {
        await setImage("web", otherImage);
        await until("revision 2", async () => (await settled("web")).metadata.annotations?.[revision] === "2");
        await settled("web");
        const sets = await list(kinds.replicaset, "web");
        const sizes = sets.map((set) => [set.metadata.annotations?.[revision], field(set, "spec", "replicas")]);
        assert.deepEqual(sizes.toSorted(), [
          ["1", 0],
          ["2", 2],
        ]);
      });

      test("that goes back to an earlier template takes that ReplicaSet again, under a new number", async () => {
        const first = (await list(kinds.replicaset, "web")).find((set) => set.metadata.annotations?.[revision] === "1");
        await setImage("web", image);
        await until("revision 3", async () => (await settled("web")).metadata.annotations?.[revision] === "3");
        const again = (await list(kinds.replicaset, "web")).find(
          ({ metadata }) => metadata.uid === first?.metadata.uid,
        );
        assert.equal(again?.metadata.annotations?.[revision], "3");
        assert.equal(again?.metadata.annotations?.["deployment.kubernetes.io/revision-history"], "1");
        assert.equal((await list(kinds.replicaset, "web")).length, 2);
      });

      test("keeps as many old revisions as it may", async () => {
        await ground().create(ns, deployment("short", { replicas: 1, revisionHistoryLimit: 1 }));
        for (const [i, to] of [otherImage, "registry.example/web:3", "registry.example/web:4"].entries()) {
          await settled("short");
          await setImage("short", to);
          await until(
            `revision ${i + 2}`,
            async () => (await settled("short")).metadata.annotations?.[revision] === String(i + 2),
          );
        }
        await until("one old revision", async () => {
          const numbers = (await list(kinds.replicaset, "short")).map((s) => s.metadata.annotations?.[revision]);
          return numbers.length === 2 && numbers.toSorted().join() === "3,4";
        });
      });

      test("whose new pods never come says that its deadline is over, and keeps the old ones", async () => {
        await ground().create(ns, deployment("stuck", { replicas: 2, progressDeadlineSeconds: 2 }));
        await settled("stuck");
        await setImage("stuck", missingImage);
        const stuck = await ground().settled(
          "the deadline is over",
          kinds.deployment,
          ns,
          "stuck",
          (o) => field(condition(o, "Progressing"), "reason") === "ProgressDeadlineExceeded",
        );
        const fresh = (await list(kinds.replicaset, "stuck")).find((s) => s.metadata.annotations?.[revision] === "2");
        assert.deepEqual(said(stuck, "Progressing"), [
          "False",
          "ProgressDeadlineExceeded",
          `ReplicaSet "${fresh?.metadata.name}" has timed out progressing.`,
        ]);
        assert.deepEqual(
          [field(stuck, "status", "availableReplicas"), field(stuck, "status", "unavailableReplicas")],
          [2, 1],
        );
        await setImage("stuck", image);
        await settled("stuck");
      });

      test("that is paused does not roll out, and says so", async () => {
        await ground().create(ns, deployment("paused", { replicas: 1 }));
        await settled("paused");
        const path = pathOf(kinds.deployment, ns, "paused");
        await ground().patch("merge", path, { spec: { paused: true } });
        await setImage("paused", otherImage);
        const paused = await ground().settled(
          "observed",
          kinds.deployment,
          ns,
          "paused",
          (o) =>
            field(o, "status", "observedGeneration") === o.metadata.generation &&
            field(condition(o, "Progressing"), "reason") === "DeploymentPaused",
        );
        assert.deepEqual(said(paused, "Progressing").slice(0, 2), ["Unknown", "DeploymentPaused"]);
        assert.equal((await list(kinds.replicaset, "paused")).length, 1);
        await ground().patch("merge", path, { spec: { paused: false } });
        await until("revision 2", async () => (await settled("paused")).metadata.annotations?.[revision] === "2");
      });

      test("of strategy Recreate has no pods of two revisions at once", async () => {
        await ground().create(ns, deployment("recreate", { replicas: 2, strategy: { type: "Recreate" } }));
        await settled("recreate");
        const seen = new Set<string>();
        const stopping = new AbortController();
        const pods = new Map<string, string>();
        const watching = ground().cluster.read.watch(
          { type: kinds.pod, namespace: ns, labelSelector: "app=recreate" },
          ({ type, object }) => {
            const uid = String(object.metadata.uid);
            if (type === "DELETED") pods.delete(uid);
            else pods.set(uid, String(object.metadata.labels?.["pod-template-hash"]));
            seen.add([...new Set(pods.values())].toSorted().join(" and "));
          },
          stopping.signal,
        );
        await until("the pods are seen", () => pods.size === 2);
        await setImage("recreate", otherImage);
        await until("revision 2", async () => (await settled("recreate")).metadata.annotations?.[revision] === "2");
        await until("the new pods are seen", () => pods.size === 2 && seen.size >= 2);
        stopping.abort();
        await watching;
        assert.deepEqual(
          [...seen].filter((hashes) => hashes.includes(" and ")),
          [],
        );
      });

      test("that a quota lets make no more pods says so in ReplicaFailure and in a Warning", async () => {
        const space = await ground().namespace("quota");
        await ground().create(space, {
          apiVersion: "v1",
          kind: "ResourceQuota",
          metadata: { name: "few" },
          spec: { hard: { pods: "1" } },
        });
        await until("the quota counts", async () => {
          const { body } = await ground().raw({
            method: "GET",
            path: `/api/v1/namespaces/${space}/resourcequotas/few`,
          });
          return field(body, "status", "used", "pods") === "0";
        });
        await ground().create(space, deployment("many", { replicas: 3 }));
        const many = await ground().settled(
          "a failure is said",
          kinds.deployment,
          space,
          "many",
          (o) => field(condition(o, "ReplicaFailure"), "status") === "True" && field(o, "status", "replicas") === 1,
        );
        const [status, reason, message] = said(many, "ReplicaFailure");
        assert.deepEqual([status, reason], ["True", "FailedCreate"]);
        const words =
          /^pods "many-\w+-\w+" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1$/;
        assert.match(String(message), words);
        const warning = await until("a Warning", async () => {
          const { items } = await ground().cluster.read.list({
            type: kinds.event,
            namespace: space,
            fieldSelector: "reason=FailedCreate,type=Warning",
          });
          return items[0];
        });
        assert.match(
          String(warning["message"]),
          /^Error creating: pods "many-\w+-\w+" is forbidden: exceeded quota: few/,
        );
        assert.equal(field(warning, "involvedObject", "kind"), "ReplicaSet");
      });

      test("whose pods fit nowhere has them Pending, and the scheduler's words on them", async () => {
        await ground().create(
          ns,
          deployment("large", { replicas: 1 }, { container: { resources: { requests: { cpu: "64" } } } }),
        );
        const pod = await until("not scheduled", async () => {
          const [one] = await list(kinds.pod, "large");
          return one !== undefined && condition(one, "PodScheduled") !== undefined ? one : null;
        });
        const words =
          /^0\/3 nodes are available: 3 Insufficient cpu\. (no new claims to deallocate, )?preemption: 0\/3 nodes are available: 3 Preemption is not helpful for scheduling\.$/;
        const [status, reason, message] = said(pod, "PodScheduled");
        assert.deepEqual([status, reason], ["False", "Unschedulable"]);
        assert.match(String(message), words);
        const { items } = await until("an event", async () => {
          const answer = await ground().cluster.read.list({
            type: kinds.event,
            namespace: ns,
            fieldSelector: `involvedObject.name=${pod.metadata.name},reason=FailedScheduling`,
          });
          return answer.items.length > 0 ? answer : null;
        });
        assert.match(String(items[0]?.["message"]), words);
        assert.equal(items[0]?.["type"], "Warning");
      });
    });

    describe("a scale subresource", () => {
      const path = () => pathOf(kinds.deployment, ns, "sized", "scale");
      before(async () => {
        await ground().create(ns, deployment("sized", { replicas: 2 }));
        await settled("sized");
      });

      test("is read with the selector and what there is now", async () => {
        const { body } = await ground().raw({ method: "GET", path: path() });
        assert.deepEqual(field(body, "spec"), { replicas: 2 });
        assert.deepEqual(field(body, "status"), { replicas: 2, selector: "app=sized" });
        const { uid, resourceVersion, name } = (await ground().get(kinds.deployment, ns, "sized")).metadata;
        assert.deepEqual(
          [field(body, "metadata", "uid"), field(body, "metadata", "resourceVersion"), field(body, "metadata", "name")],
          [uid, resourceVersion, name],
        );
      });

      test("is patched and put, with the version as its guard", async () => {
        const patched = await ground().patch("merge", path(), { spec: { replicas: 3 } });
        assert.equal(patched.code, 200);
        assert.equal(field(await settled("sized"), "status", "availableReplicas"), 3);
        const { body } = await ground().raw({ method: "GET", path: path() });
        await ground().patch("merge", pathOf(kinds.deployment, ns, "sized"), { metadata: { labels: { a: "b" } } });
        const late = await ground().raw({
          method: "PUT",
          path: path(),
          body: { ...Object(body), spec: { replicas: 1 } },
        });
        assert.equal(
          wordsOf(late),
          '409: Operation cannot be fulfilled on deployments.apps "sized": the object has been modified; please apply your changes to the latest version and try again',
        );
      });

      test("tells what it did in the Deployment's events", async () => {
        const [set] = await list(kinds.replicaset, "sized");
        const messages = async () => {
          const { items } = await ground().cluster.read.list({
            type: kinds.event,
            namespace: ns,
            fieldSelector: "involvedObject.kind=Deployment,involvedObject.name=sized,reason=ScalingReplicaSet",
          });
          return items.map((event) => String(event["message"])).toSorted();
        };
        await until("two events", async () => (await messages()).length === 2);
        assert.deepEqual(await messages(), [
          `Scaled up replica set ${set?.metadata.name} from 0 to 2`,
          `Scaled up replica set ${set?.metadata.name} from 2 to 3`,
        ]);
      });

      test("of a StatefulSet and a ReplicaSet too; a DaemonSet has none", async () => {
        await ground().create(ns, statefulSet("sized-set", { replicas: 1 }), daemonSet("sized-daemon"));
        const scaled = await ground().patch("merge", pathOf(kinds.statefulset, ns, "sized-set", "scale"), {
          spec: { replicas: 2 },
        });
        assert.equal(scaled.code, 200);
        const [set] = await list(kinds.replicaset, "sized");
        assert.ok(set);
        const ofSet = await ground().raw({
          method: "GET",
          path: pathOf(kinds.replicaset, ns, set.metadata.name, "scale"),
        });
        assert.equal(field(ofSet.body, "kind"), "Scale");
        const none = await ground().raw({ method: "GET", path: pathOf(kinds.daemonset, ns, "sized-daemon", "scale") });
        assert.equal(none.code, 404);
      });

      test("a pod goes first that is not ready, and a size of 0 leaves none", async () => {
        await ground().patch("merge", path(), { spec: { replicas: 0 } });
        await until("no pods", async () => (await list(kinds.pod, "sized")).length === 0, 30_000);
        const sized = await settled("sized");
        assert.equal(field(sized, "status", "replicas"), undefined);
      });
    });

    describe("a StatefulSet", () => {
      test("makes its pods in order and keeps their names over a rollout", async () => {
        await ground().create(ns, statefulSet("db", { replicas: 3 }));
        const db = await settled("db", kinds.statefulset);
        const names = async () => (await list(kinds.pod, "db")).map(({ metadata }) => metadata.name).toSorted();
        assert.deepEqual(await names(), ["db-0", "db-1", "db-2"]);
        const [pod] = await list(kinds.pod, "db");
        assert.equal(pod?.metadata.labels?.["statefulset.kubernetes.io/pod-name"], pod?.metadata.name);
        assert.equal(pod?.metadata.labels?.["apps.kubernetes.io/pod-index"], "0");
        assert.equal(pod?.metadata.labels?.["controller-revision-hash"], field(db, "status", "currentRevision"));
        await setImage("db", otherImage, kinds.statefulset);
        const rolled = await ground().settled("rolled out", kinds.statefulset, ns, "db", (o) => {
          const current = field(o, "status", "currentRevision");
          return isSettled(o) && current !== field(db, "status", "currentRevision");
        });
        assert.equal(field(rolled, "status", "currentRevision"), field(rolled, "status", "updateRevision"));
        assert.deepEqual(await names(), ["db-0", "db-1", "db-2"]);
        for (const one of await list(kinds.pod, "db")) {
          assert.equal(stringField(one, "spec", "containers", 0, "image"), otherImage);
        }
      });

      test("keeps its revisions as ControllerRevisions, numbered, with the template under spec", async () => {
        const revisions = (await list(kinds.controllerrevision, "db")).toSorted(
          (a, b) => Number(a["revision"]) - Number(b["revision"]),
        );
        assert.deepEqual(
          revisions.map(({ revision: number }) => number),
          [1, 2],
        );
        const db = await ground().get(kinds.statefulset, ns, "db");
        for (const [i, to] of [image, otherImage].entries()) {
          const one = revisions[i];
          assert.equal(field(one, "data", "spec", "template", "spec", "containers", 0, "image"), to);
          assert.equal(field(one, "data", "spec", "template", "$patch"), "replace");
          assert.deepEqual(Object.keys(Object(one?.["data"])), ["spec"]);
          assert.equal(one?.metadata.ownerReferences?.[0]?.uid, db.metadata.uid);
        }
        assert.equal(revisions[1]?.metadata.name, field(db, "status", "updateRevision"));
      });

      test("that goes back takes the earlier revision again under a new number", async () => {
        await setImage("db", image, kinds.statefulset);
        await until("revision 3", async () => {
          const numbers = (await list(kinds.controllerrevision, "db")).map((r) => r["revision"]);
          return numbers.toSorted().join() === "2,3";
        });
        await settled("db", kinds.statefulset);
      });

      test("with a partition updates only the pods from there on", async () => {
        await ground().create(
          ns,
          statefulSet("part", {
            replicas: 3,
            updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 2 } },
          }),
        );
        await settled("part", kinds.statefulset);
        await setImage("part", otherImage, kinds.statefulset);
        await ground().settled(
          "one is updated",
          kinds.statefulset,
          ns,
          "part",
          (o) =>
            field(o, "status", "observedGeneration") === o.metadata.generation &&
            field(o, "status", "updatedReplicas") === 1 &&
            field(o, "status", "readyReplicas") === 3,
        );
        const images = (await list(kinds.pod, "part")).map((pod) => stringField(pod, "spec", "containers", 0, "image"));
        assert.deepEqual(images, [image, image, otherImage]);
      });
    });

    describe("a DaemonSet", () => {
      test("has one pod on each node, and a revision for each template", async () => {
        await ground().create(ns, daemonSet("agent"));
        const agent = await settled("agent", kinds.daemonset);
        const pods = await list(kinds.pod, "agent");
        const nodes = (await ground().cluster.read.list({ type: kinds.node, namespace: null })).items;
        assert.deepEqual(
          pods.map((pod) => stringField(pod, "spec", "nodeName")).toSorted(),
          nodes.map(({ metadata }) => metadata.name).toSorted(),
        );
        const { conditions: _, ...status } = Object(agent["status"]);
        assert.deepEqual(status, {
          currentNumberScheduled: 3,
          desiredNumberScheduled: 3,
          numberAvailable: 3,
          numberMisscheduled: 0,
          numberReady: 3,
          observedGeneration: 1,
          updatedNumberScheduled: 3,
        });
        assert.equal(agent.metadata.annotations?.["deprecated.daemonset.template.generation"], "1");
        await setImage("agent", otherImage, kinds.daemonset);
        await ground().settled(
          "rolled out",
          kinds.daemonset,
          ns,
          "agent",
          (o) => isSettled(o) && o.metadata.generation === 2,
        );
        const numbers = (await list(kinds.controllerrevision, "agent")).map((one) => one["revision"]);
        assert.deepEqual(numbers.toSorted(), [1, 2]);
      });

      test("of strategy OnDelete waits until somebody deletes its pods", async () => {
        await ground().create(ns, daemonSet("lazy", { updateStrategy: { type: "OnDelete" } }));
        await settled("lazy", kinds.daemonset);
        await setImage("lazy", otherImage, kinds.daemonset);
        await ground().settled(
          "observed",
          kinds.daemonset,
          ns,
          "lazy",
          (o) =>
            field(o, "status", "observedGeneration") === 2 && (field(o, "status", "updatedNumberScheduled") ?? 0) === 0,
        );
        const [pod] = await list(kinds.pod, "lazy");
        assert.ok(pod);
        await ground().raw({ method: "DELETE", path: pathOf(kinds.pod, ns, pod.metadata.name) });
        await ground().settled(
          "one is updated",
          kinds.daemonset,
          ns,
          "lazy",
          (o) => field(o, "status", "updatedNumberScheduled") === 1,
        );
      });
    });

    describe("a Job", () => {
      const job = (name: string, fate: object = {}) => ({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name },
        spec: {
          backoffLimit: 0,
          template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image: batchImage }] } },
          ...fate,
        },
      });

      test("completes, and its pod stays with its phase", async () => {
        await ground().create(ns, job("once"));
        const done = await ground().settled(
          "complete",
          kinds.job,
          ns,
          "once",
          (o) => field(condition(o, "Complete"), "status") === "True",
        );
        assert.equal(field(done, "status", "succeeded"), 1);
        const { items } = await ground().cluster.read.list({
          type: kinds.pod,
          namespace: ns,
          labelSelector: "batch.kubernetes.io/job-name=once",
        });
        assert.deepEqual(
          items.map((pod) => field(pod, "status", "phase")),
          ["Succeeded"],
        );
        assert.equal(items[0]?.metadata.ownerReferences?.[0]?.kind, "Job");
      });

      test("that is suspended starts nothing", async () => {
        await ground().create(ns, job("later", { suspend: true }));
        const later = await ground().settled(
          "suspended",
          kinds.job,
          ns,
          "later",
          (o) => field(condition(o, "Suspended"), "status") === "True",
        );
        assert.deepEqual(said(later, "Suspended").slice(0, 2), ["True", "JobSuspended"]);
      });
    });

    test("a Service's endpoints are the pods that are ready", async () => {
      await ground().create(ns, deployment("served", { replicas: 2 }), {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "served" },
        spec: { selector: { app: "served" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
      });
      await settled("served");
      const path = `/apis/discovery.k8s.io/v1/namespaces/${ns}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dserved`;
      const endpoints = await until("two endpoints", async () => {
        const { body } = await ground().raw({ method: "GET", path });
        const found = listField(body, "items", 0, "endpoints");
        return found.length === 2 && found.every((one) => field(one, "conditions", "ready") === true) ? found : null;
      });
      const pods = (await list(kinds.pod, "served")).map(({ metadata }) => metadata.name).toSorted();
      assert.deepEqual(endpoints.map((one) => String(field(one, "targetRef", "name"))).toSorted(), pods);
    });

    test("a node that is cordoned takes no pod, and says why", async () => {
      const nodes = (await ground().cluster.read.list({ type: kinds.node, namespace: null })).items;
      const [first] = nodes;
      assert.ok(first);
      const path = pathOf(kinds.node, null, first.metadata.name);
      const cordoned = await ground().patch("merge", path, { spec: { unschedulable: true } });
      assert.equal(field(cordoned.body, "spec", "unschedulable"), true);
      const tainted = await ground().settled("tainted", kinds.node, null, first.metadata.name, (o) =>
        listField(o, "spec", "taints").some((t) => field(t, "key") === "node.kubernetes.io/unschedulable"),
      );
      assert.equal(field(listField(tainted, "spec", "taints")[0], "effect"), "NoSchedule");
      await ground().create(
        ns,
        deployment(
          "nowhere",
          { replicas: 1 },
          { spec: { nodeSelector: { "kubernetes.io/hostname": first.metadata.name } } },
        ),
      );
      const pod = await until("not scheduled", async () => {
        const [one] = await list(kinds.pod, "nowhere");
        return one !== undefined && condition(one, "PodScheduled") !== undefined ? one : null;
      });
      assert.match(
        String(said(pod, "PodScheduled")[2]),
        /^0\/3 nodes are available: 1 node\(s\) were unschedulable, 2 node\(s\) didn't match Pod's node affinity\/selector\. /,
      );
      await ground().patch("merge", path, { spec: { unschedulable: null } });
      await settled("nowhere");
    });
  });
}

/** All of the newest revision and nothing else is there. */
function isSettled(object: KubeObject): boolean {
  const status = (name: string) => Number(field(object, "status", name) ?? 0);
  if (status("observedGeneration") !== object.metadata.generation) return false;
  const wanted = Number(field(object, "spec", "replicas") ?? 1);
  switch (object.kind) {
    case "Deployment":
      return (
        [status("replicas"), status("updatedReplicas"), status("availableReplicas")].every((n) => n === wanted) &&
        status("terminatingReplicas") === 0
      );
    case "StatefulSet":
      return (
        [status("replicas"), status("updatedReplicas"), status("readyReplicas")].every((n) => n === wanted) &&
        field(object, "status", "currentRevision") === field(object, "status", "updateRevision")
      );
    default: {
      const nodes = status("desiredNumberScheduled");
      return nodes > 0 && [status("updatedNumberScheduled"), status("numberAvailable")].every((n) => n === nodes);
    }
  }
}
