import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { LogQuery } from "../../bot/edges.ts";
import { field, type KubeObject, kinds } from "../../shared/kube.ts";
import { until } from "../until.ts";
import { batchImage, deployment, image, log, missingImage, pod } from "./drafts.ts";
import type { Ground } from "./ground.ts";

/** Logs and events: what there is, and in which words there is none. */
export function logsContract(ground: () => Ground): void {
  describe("logs", () => {
    let ns: string;
    const read = (query: Partial<LogQuery> = {}) => ground().cluster.read.logs({ namespace: ns, pod: "web", ...query });
    const whole = log.map((line) => `${line}\n`).join("");

    before(async () => {
      ns = await ground().namespace("logs");
      const sidecar = { name: "sidecar", image };
      await ground().create(
        ns,
        pod("web"),
        pod("pair", {
          spec: { containers: [{ name: "main", image }, sidecar], initContainers: [{ name: "init", image }] },
        }),
        pod("begun", { spec: { initContainers: [{ name: "init", image: batchImage }] } }),
        pod("idle", { spec: { schedulerName: "nobody" } }),
        pod("missing", { image: missingImage }),
      );
      await ground().settled("web runs", kinds.pod, ns, "web", (o) => field(o, "status", "phase") === "Running");
      await until("its log is whole", async () => (await read()) === whole);
    });

    test("a log is what the container wrote", async () => {
      assert.equal(await read(), whole);
      assert.equal(await read({ container: "main" }), whole);
    });

    test("of one container and what runs before it, the one is meant", async () => {
      await until("the container runs", async () => (await read({ pod: "begun" }).catch(() => "")) === whole);
    });

    test("tail is counted in lines from the end; 0 is none", async () => {
      assert.equal(await read({ tailLines: 1 }), "ready\n");
      assert.equal(await read({ tailLines: 2 }), "listening on :8080\nready\n");
      assert.equal(await read({ tailLines: 99 }), whole);
      assert.equal(await read({ tailLines: 0 }), "");
    });

    test("a limit of bytes cuts the end", async () => {
      assert.equal(await read({ limitBytes: 12 }), whole.slice(0, 12));
    });

    test("timestamps stand before each line, in order", async () => {
      const lines = (await read({ timestamps: true })).trimEnd().split("\n");
      const times = lines.map((line) => /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) /.exec(line)?.[1]);
      assert.equal(times.length, 3);
      for (const time of times) assert.ok(time !== undefined && !Number.isNaN(Date.parse(time)), String(time));
      assert.deepEqual(times, times.toSorted());
    });

    test("since leaves out what is older", async () => {
      const last = /^(\S+) ready$/m.exec(await read({ timestamps: true }))?.[1];
      assert.ok(last);
      const path = (time: string) => `/api/v1/namespaces/${ns}/pods/web/log?sinceTime=${encodeURIComponent(time)}`;
      const later = new Date(Date.parse(last) + 1_000).toISOString();
      assert.equal((await ground().raw({ method: "GET", path: path(later) })).body, "");
      assert.equal((await ground().raw({ method: "GET", path: path("2001-01-01T00:00:00Z") })).body, whole);
    });

    test("followed, a log is told line by line from where it is asked for", async () => {
      const stopping = new AbortController();
      const lines: string[] = [];
      const following = ground().cluster.read.followLogs(
        { namespace: ns, pod: "web", tailLines: 2 },
        (line) => lines.push(line),
        stopping.signal,
      );
      await until("two lines", () => lines.length === 2);
      stopping.abort();
      await following;
      assert.deepEqual(lines, ["listening on :8080", "ready"]);
    });

    test("the log of a pod that has no node yet is empty", async () => {
      assert.equal(await read({ pod: "idle" }), "");
    });

    const refusals: readonly (readonly [what: string, query: Partial<LogQuery>, code: string, words: RegExp])[] = [
      ["of a pod that is not there", { pod: "nope" }, "not_found", /^pods "nope" not found$/],
      [
        "of several containers without a name",
        { pod: "pair" },
        "invalid",
        /^a container name must be specified for pod pair, choose one of: \[init main sidecar\]$/,
      ],
      [
        "of a container that is none of the pod's",
        { container: "nope" },
        "invalid",
        /^container nope is not valid for pod web$/,
      ],
      [
        "with a tail below 0",
        { tailLines: -1 },
        "invalid",
        /tailLines: Invalid value: -1: must be greater than or equal to 0/,
      ],
      ["with a limit of 0 bytes", { limitBytes: 0 }, "invalid", /limitBytes: Invalid value: 0: must be greater than 0/],
      ["since 0 seconds", { sinceSeconds: 0 }, "invalid", /sinceSeconds: Invalid value: 0: must be greater than 0/],
    ];
    for (const [what, query, code, message] of refusals) {
      test(`a log ${what} is refused`, async () => {
        await assert.rejects(read(query), { code, message });
      });
    }
  });

  describe("events", () => {
    let ns: string;
    let events: readonly KubeObject[];

    before(async () => {
      ns = await ground().namespace("events");
      await ground().create(ns, deployment("web", { replicas: 1 }));
      await ground().settled(
        "web is available",
        kinds.deployment,
        ns,
        "web",
        (o) => field(o, "status", "availableReplicas") === 1,
      );
      events = await until("events of all parts", async () => {
        const { items } = await ground().cluster.read.list({ type: kinds.event, namespace: ns });
        const reasons = new Set(items.map((event) => event["reason"]));
        return ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Started"].every((reason) => reasons.has(reason))
          ? items
          : null;
      });
    });

    const of = (reason: string) => {
      const event = events.find((one) => one["reason"] === reason);
      assert.ok(event, reason);
      return event;
    };

    test("tell of a rollout from its Deployment to its pod", () => {
      assert.match(String(of("ScalingReplicaSet")["message"]), /^Scaled up replica set web-\w+ from 0 to 1$/);
      assert.match(String(of("SuccessfulCreate")["message"]), /^Created pod: web-\w+-\w+$/);
      assert.match(
        String(of("Scheduled")["message"]),
        new RegExp(`^Successfully assigned ${ns}/web-\\w+-\\w+ to node-\\d$`),
      );
    });

    test("name the object they are about, and who says it", async () => {
      const web = await ground().get(kinds.deployment, ns, "web");
      assert.deepEqual(of("ScalingReplicaSet")["involvedObject"], {
        kind: "Deployment",
        namespace: ns,
        name: "web",
        uid: web.metadata.uid,
        apiVersion: "apps/v1",
        resourceVersion: field(of("ScalingReplicaSet"), "involvedObject", "resourceVersion"),
      });
      const said = (reason: string) => [of(reason)["reportingComponent"], of(reason)["type"]];
      assert.deepEqual(said("ScalingReplicaSet"), ["deployment-controller", "Normal"]);
      assert.deepEqual(said("SuccessfulCreate"), ["replicaset-controller", "Normal"]);
      assert.deepEqual(said("Scheduled"), ["default-scheduler", "Normal"]);
      assert.deepEqual(field(of("SuccessfulCreate"), "source"), { component: "replicaset-controller" });
    });

    test("count, and have a first and a last time, but for those of the newer sort", () => {
      const { count, firstTimestamp, lastTimestamp, eventTime } = of("SuccessfulCreate");
      assert.deepEqual([count, firstTimestamp === lastTimestamp, eventTime], [1, true, null]);
      const scheduled = of("Scheduled");
      assert.deepEqual(
        [scheduled["count"], scheduled["firstTimestamp"], scheduled["lastTimestamp"]],
        [undefined, null, null],
      );
      assert.match(String(scheduled["eventTime"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assert.equal(scheduled["action"], "Binding");
    });

    test("are chosen by object, reason and type", async () => {
      const found = async (fieldSelector: string) => {
        const { items } = await ground().cluster.read.list({ type: kinds.event, namespace: ns, fieldSelector });
        return items;
      };
      const { uid } = (await ground().get(kinds.deployment, ns, "web")).metadata;
      assert.ok((await found(`involvedObject.uid=${uid}`)).every((e) => field(e, "involvedObject", "name") === "web"));
      assert.ok((await found("involvedObject.kind=Pod")).length >= 2);
      assert.equal((await found("involvedObject.kind=Pod,reason=Scheduled")).length, 1);
      assert.deepEqual(await found("type=Warning"), []);
      assert.equal((await found("source=default-scheduler,type!=Warning")).length, 1);
      assert.equal((await found("reportingComponent=default-scheduler")).length, 1);
    });

    test("are the same objects under both groups", async () => {
      const { body } = await ground().raw({
        method: "GET",
        path: `/apis/events.k8s.io/v1/namespaces/${ns}/events/${of("SuccessfulCreate").metadata.name}`,
      });
      assert.equal(field(body, "note"), of("SuccessfulCreate")["message"]);
      assert.equal(field(body, "regarding", "name"), field(of("SuccessfulCreate"), "involvedObject", "name"));
      assert.equal(field(body, "deprecatedCount"), 1);
      assert.equal(field(body, "deprecatedSource", "component"), "replicaset-controller");
    });
  });
}
