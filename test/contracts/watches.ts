import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createClock } from "../../bot/adapters/clock.ts";
import { createCluster } from "../../bot/adapters/kubernetes.ts";
import type { Cluster, ListQuery, WatchEvent } from "../../bot/edges.ts";
import { field, kinds, pathOf } from "../../shared/kube.ts";
import { until } from "../until.ts";
import { configMap, definition } from "./drafts.ts";
import { type Front, startFront } from "./front.ts";
import { type Ground, quiet } from "./ground.ts";

/** Watches: what is told, in which order, from where, and what happens when the connection or the history is gone. */
export function watchesContract(ground: () => Ground): void {
  describe("watches", () => {
    let ns: string;
    let front: Front;
    let dir: string;
    let throughFront: Cluster;
    const over = new AbortController();

    before(async () => {
      ns = await ground().namespace("watches");
      front = await startFront(ground().kubeconfig);
      dir = mkdtempSync(join(tmpdir(), "steward-front-"));
      const kubeconfig = join(dir, "kubeconfig");
      writeFileSync(kubeconfig, JSON.stringify(front.kubeconfig));
      throughFront = createCluster({
        kubeconfig,
        context: null,
        identities: { read: null, act: null },
        clock: createClock(),
        log: quiet,
      });
    });
    after(async () => {
      over.abort(); // also what a case that failed left behind
      await front.stop();
      rmSync(dir, { recursive: true });
    });

    const path = (name?: string) => pathOf(kinds.configmap, ns, name);
    const label = (name: string, value: string | null) =>
      ground().patch("merge", path(name), { metadata: { labels: { watched: value } } });
    const remove = (name: string) => ground().raw({ method: "DELETE", path: path(name) });

    /** Watches until `stop`; the events as `TYPE name`. */
    function watching(cluster: Cluster, query: Partial<ListQuery> = {}) {
      const events: WatchEvent[] = [];
      const told: string[] = [];
      const stopping = new AbortController();
      const ended = cluster.read.watch(
        { type: kinds.configmap, namespace: ns, ...query },
        (event) => {
          if (event.object.metadata.name === "kube-root-ca.crt") return;
          events.push(event);
          told.push(`${event.type} ${event.object.metadata.name}`);
        },
        AbortSignal.any([stopping.signal, over.signal]),
      );
      return {
        events,
        told,
        until: (text: string) => until(`told of ${text}; told: ${told}`, () => told.includes(text)),
        async stop() {
          stopping.abort();
          await ended;
        },
      };
    }

    test("what is there is ADDED, what comes, changes and goes is told in that order", async () => {
      await ground().create(ns, configMap("old"));
      const watch = watching(ground().cluster);
      await watch.until("ADDED old");
      await ground().create(ns, configMap("new"));
      await label("new", "yes");
      await remove("new");
      await watch.until("DELETED new");
      await watch.stop();
      assert.deepEqual(watch.told, ["ADDED old", "ADDED new", "MODIFIED new", "DELETED new"]);
      const [, added, changed, gone] = watch.events;
      assert.deepEqual(
        [added, changed, gone].map((event) => event?.object.metadata.labels?.["watched"]),
        [undefined, "yes", "yes"],
      );
      const versions = watch.events.map(({ object }) => Number(object.metadata.resourceVersion));
      assert.deepEqual(
        versions,
        versions.toSorted((a, b) => a - b),
        "a deletion has a version of its own",
      );
      assert.equal(new Set(versions).size, 4);
    });

    test("who comes under a label selector is ADDED, who leaves it is DELETED as it was before", async () => {
      await ground().create(ns, configMap("in", {}, { labels: { watched: "yes" } }), configMap("out"));
      const watch = watching(ground().cluster, { labelSelector: "watched=yes" });
      await watch.until("ADDED in");
      await label("out", "yes");
      await watch.until("ADDED out");
      await label("in", null);
      await watch.until("DELETED in");
      await watch.stop();
      assert.deepEqual(watch.told, ["ADDED in", "ADDED out", "DELETED in"]);
      assert.equal(watch.events.at(-1)?.object.metadata.labels?.["watched"], "yes");
    });

    test("a field selector keeps a watch to one object", async () => {
      const watch = watching(ground().cluster, { fieldSelector: "metadata.name=only" });
      await ground().create(ns, configMap("other"), configMap("only"));
      await watch.until("ADDED only");
      await label("other", "yes");
      await label("only", "yes");
      await watch.until("MODIFIED only");
      await watch.stop();
      assert.deepEqual(watch.told, ["ADDED only", "MODIFIED only"]);
    });

    test("a write that changes nothing is not told", async () => {
      await ground().create(ns, configMap("still", { a: "1" }));
      const watch = watching(ground().cluster, { fieldSelector: "metadata.name=still" });
      await watch.until("ADDED still");
      assert.equal((await ground().patch("merge", path("still"), { data: { a: "1" } })).code, 200);
      await label("still", "yes");
      await watch.until("MODIFIED still");
      await watch.stop();
      assert.deepEqual(watch.told, ["ADDED still", "MODIFIED still"]);
    });

    test("a lost connection is taken up where it broke, without a new list", async () => {
      await ground().create(ns, configMap("first"));
      const watch = watching(throughFront, { fieldSelector: "metadata.name!=none" });
      await watch.until("ADDED first");
      const before = front.passages.length;
      front.cut();
      await ground().create(ns, configMap("second"));
      await watch.until("ADDED second");
      await watch.stop();
      assert.equal(watch.told.filter((line) => line === "ADDED first").length, 1);
      const later = front.passages.slice(before);
      assert.ok(later.length > 0);
      for (const { path: asked } of later) assert.match(asked, /watch=true&.*resourceVersion=\d+/);
    });

    test("when the server no longer has the place, the difference is told and nothing else", async () => {
      // Of a kind that is younger than the cluster no server has the first version.
      const group = `${ns}.example`;
      const type = { group, version: "v1", resource: "gadgets", kind: "Gadget", namespaced: true };
      const gadgets = (name?: string) => pathOf(type, ns, name);
      const make = async (name: string) => {
        const body = { apiVersion: `${group}/v1`, kind: "Gadget", metadata: { name } };
        assert.equal((await ground().raw({ method: "POST", path: gadgets(), body })).code, 201);
      };
      await ground().create(null, definition(group));
      await until(
        "gadgets are served",
        async () => (await ground().raw({ method: "GET", path: gadgets() })).code === 200,
        30_000,
      );
      for (const name of ["stays", "changes", "goes"]) await make(name);
      const watch = watching(throughFront, { type });
      for (const name of ["stays", "changes", "goes"]) await watch.until(`ADDED ${name}`);
      const told = watch.told.length;
      const seen = front.passages.length;
      let open = false;
      // Until the changes are made the watch reaches nobody; then it asks for a place that is long gone.
      front.rewrite((asked) => {
        if (!asked.includes("watch=true")) return asked;
        return open ? asked.replace(/resourceVersion=\d+/, "resourceVersion=1") : null;
      });
      front.cut();
      await ground().patch("merge", gadgets("changes"), { metadata: { labels: { watched: "yes" } } });
      await ground().raw({ method: "DELETE", path: gadgets("goes") });
      await make("comes");
      open = true;
      await until("a 410", () => front.passages.slice(seen).some(({ answer }) => answer.includes('"code":410')));
      front.rewrite((asked) => asked);
      await watch.until("ADDED comes");
      await watch.stop();
      assert.deepEqual(watch.told.slice(told).toSorted(), ["ADDED comes", "DELETED goes", "MODIFIED changes"]);
    });

    test("a watch from a version tells what came after it, and what was before only from none or 0", async () => {
      const [first] = await ground().create(ns, configMap("place"));
      const version = first?.metadata.resourceVersion;
      await label("place", "yes");
      const one = async (query: string) => {
        const { body } = await ground().raw({
          method: "GET",
          path: `${path()}?watch=1&fieldSelector=metadata.name%3Dplace&${query}`,
          firstLine: true,
        });
        return `${String(field(body, "type"))} ${String(field(body, "object", "metadata", "labels", "watched"))}`;
      };
      assert.equal(await one(`resourceVersion=${version}`), "MODIFIED yes");
      assert.equal(await one("resourceVersion=0"), "ADDED yes");
      assert.equal(await one(""), "ADDED yes");
    });

    test("a watch that begins with its list ends it with a bookmark", async () => {
      await ground().create(ns, configMap("listed"));
      const { body } = await ground().raw({
        method: "GET",
        path: `${path()}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1`,
      });
      const lines = linesOf(body);
      const end = lines.findIndex((line) => field(line, "type") === "BOOKMARK");
      assert.ok(end > 0, JSON.stringify(lines.at(-1)));
      assert.deepEqual(field(lines[end], "object", "metadata", "annotations"), { "k8s.io/initial-events-end": "true" });
      const names = lines.slice(0, end).map((line) => field(line, "object", "metadata", "name"));
      assert.ok(names.includes("listed"));
      assert.ok(lines.slice(0, end).every((line) => field(line, "type") === "ADDED"));
    });

    test("initial events need their bookmark and their match", async () => {
      const asked = async (query: string) => {
        const { code, body } = await ground().raw({ method: "GET", path: `${path()}?${query}` });
        return `${code} ${String(field(body, "message"))}`;
      };
      assert.equal(
        await asked("watch=1&sendInitialEvents=true"),
        `422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`,
      );
      assert.equal(
        await asked("sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        `422 ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list]`,
      );
    });

    test("a watch ends cleanly at its time", async () => {
      const start = performance.now();
      const { code } = await ground().raw({ method: "GET", path: `${path()}?watch=1&timeoutSeconds=1` });
      assert.equal(code, 200);
      const took = performance.now() - start;
      assert.ok(took > 900 && took < 4_000, `${took} ms`);
    });

    test("a watch of a kind that is not served, or may not be read, ends with the server's words", async () => {
      const gizmos = { group: "apps", version: "v1", resource: "gizmos", kind: "Gizmo", namespaced: true };
      const signal = AbortSignal.timeout(5_000);
      await assert.rejects(
        ground().cluster.read.watch({ type: gizmos, namespace: ns }, () => undefined, signal),
        { code: "not_found" },
      );
      await assert.rejects(
        ground()
          .as("nobody-in-particular")
          .read.watch({ type: kinds.configmap, namespace: ns }, () => undefined, signal),
        { code: "forbidden", message: /User "nobody-in-particular" cannot list resource "configmaps"/ },
      );
    });
  });
}

function linesOf(body: unknown): unknown[] {
  // One line alone is parsed already.
  if (typeof body === "object") return [body];
  return String(body)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}
