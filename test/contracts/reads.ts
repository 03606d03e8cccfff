import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { field, kinds, pathOf } from "../../shared/kube.ts";
import { until } from "../until.ts";
import { configMap, definition, deployment, pod } from "./drafts.ts";
import { type Ground, namesOf, wordsOf } from "./ground.ts";

/** Objects, lists, selectors, pages, tables and discovery. */
export function readsContract(ground: () => Ground): void {
  describe("reads", () => {
    let ns: string;
    const maps = () => pathOf(kinds.configmap, ns);

    before(async () => {
      ns = await ground().namespace("reads");
      await ground().create(
        ns,
        configMap("a", {}, { labels: { tier: "web", stage: "dev" } }),
        configMap("b", {}, { labels: { tier: "web", stage: "prod" } }),
        configMap("c", {}, { labels: { tier: "db", stage: "prod", critical: "" } }),
        configMap("d", {}, { labels: { tier: "cache" } }),
        configMap("e"),
      );
    });

    test("an object comes with its kind, and what is not there is null", async () => {
      const { read } = ground().cluster;
      const found = await ground().get(kinds.configmap, ns, "a");
      assert.deepEqual([found.apiVersion, found.kind, found.metadata.namespace], ["v1", "ConfigMap", ns]);
      assert.match(String(found.metadata.uid), /^[\da-f-]{36}$/);
      assert.equal(await read.get({ type: kinds.configmap, namespace: ns, name: "z" }), null);
      assert.equal(await read.get({ type: kinds.pod, namespace: `${ns}-nope`, name: "z" }), null);
    });

    test("a list comes in the order of names, at a version that no item is newer than", async () => {
      const { items, resourceVersion, remaining } = await ground().cluster.read.list({
        type: kinds.configmap,
        namespace: ns,
        fieldSelector: "metadata.name!=kube-root-ca.crt",
      });
      assert.deepEqual(
        items.map(({ metadata }) => metadata.name),
        ["a", "b", "c", "d", "e"],
      );
      assert.equal(remaining, 0);
      for (const { metadata } of items) assert.ok(Number(metadata.resourceVersion) <= Number(resourceVersion));
    });

    const byLabels: readonly (readonly [selector: string, names: readonly string[]])[] = [
      ["tier=web", ["a", "b"]],
      ["tier==web", ["a", "b"]],
      ["tier=web,stage=prod", ["b"]],
      ["tier!=web,stage", ["c"]],
      ["tier!=web", ["c", "d", "e"]],
      ["tier in (web, db)", ["a", "b", "c"]],
      ["tier in (web,cache),stage notin (prod)", ["a", "d"]],
      ["stage notin (prod)", ["a", "d", "e"]],
      ["critical", ["c"]],
      ["critical=", ["c"]],
      ["!tier", ["e"]],
      ["!stage,tier", ["d"]],
      [" tier = web , stage = dev ", ["a"]],
      ["tier in (nope)", []],
    ];
    for (const [selector, names] of byLabels) {
      test(`label selector ${JSON.stringify(selector)}`, async () => {
        const { items } = await ground().cluster.read.list({
          type: kinds.configmap,
          namespace: ns,
          labelSelector: selector,
          fieldSelector: "metadata.name!=kube-root-ca.crt",
        });
        assert.deepEqual(
          items.map(({ metadata }) => metadata.name),
          names,
        );
      });
    }

    const found = (text: string, expected: string) =>
      `unable to parse requirement: found '${text}', expected: ${expected}`;
    const label =
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    const notParsed: readonly (readonly [selector: string, words: string])[] = [
      ["tier=a=b", "found '=', expected: ',' or 'end of string'"],
      ["tier in web", "unable to parse requirement: found 'web' expected: '('"],
      ["tier in (a", found("", "',' or ')'")],
      ["=web", "found '=', expected: !, identifier, or 'end of string'"],
      [",,", "found ',', expected: !, identifier, or 'end of string'"],
      ["tier=a,", "found '', expected: identifier after ','"],
      ["a b", found("b", "in, notin, =, ==, !=, gt, lt")],
      ["!", found("", "identifier")],
      ["!a=b", "found '=', expected: ',' or 'end of string'"],
      ["tier=-bad-", `unable to parse requirement: values[0][tier]: Invalid value: "-bad-": ${label}`],
      [
        "x>y",
        `unable to parse requirement: values[0]: Invalid value: "y": for 'Gt', 'Lt' operators, the value must be an integer`,
      ],
    ];
    for (const [selector, words] of notParsed) {
      test(`label selector ${JSON.stringify(selector)} is refused`, async () => {
        const path = `${maps()}?labelSelector=${encodeURIComponent(selector)}`;
        assert.equal(wordsOf(await ground().raw({ method: "GET", path })), `400: ${words}`);
      });
    }

    test("a field selector that does not parse is refused", async () => {
      for (const [selector, words] of [
        ["metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
        ["metadata.name=b=c", "invalid field selector: unescaped character in value: 61"],
        ["=x", '"" is not a known field selector: only "metadata.name", "metadata.namespace"'],
      ] as const) {
        const path = `${maps()}?fieldSelector=${encodeURIComponent(selector)}`;
        assert.equal(wordsOf(await ground().raw({ method: "GET", path })), `400: ${words}`);
      }
    });

    test("numbers compare in label selectors", async () => {
      const space = await ground().namespace("numbers");
      const sized = (name: string, size: string) => configMap(name, {}, { labels: { size } });
      await ground().create(space, sized("one", "1"), sized("five", "5"), sized("ten", "10"), sized("many", "many"));
      const found = async (labelSelector: string) => {
        const { items } = await ground().cluster.read.list({
          type: kinds.configmap,
          namespace: space,
          labelSelector,
        });
        return items.map(({ metadata }) => metadata.name);
      };
      assert.deepEqual(await found("size>4"), ["five", "ten"]);
      assert.deepEqual(await found("size<5"), ["one"]);
    });

    test("field selectors choose by name, namespace, node and phase", async () => {
      const space = await ground().namespace("fields");
      await ground().create(space, pod("one"), pod("two"), pod("idle", { spec: { schedulerName: "nobody" } }));
      for (const name of ["one", "two"]) {
        await ground().settled(
          `${name} runs`,
          kinds.pod,
          space,
          name,
          (o) => field(o, "status", "phase") === "Running",
        );
      }
      const found = async (fieldSelector: string, namespace: string | null = space) => {
        const { items } = await ground().cluster.read.list({ type: kinds.pod, namespace, fieldSelector });
        return items.map(({ metadata }) => metadata.name);
      };
      assert.deepEqual(await found("metadata.name=two"), ["two"]);
      assert.deepEqual(await found("status.phase=Running"), ["one", "two"]);
      assert.deepEqual(await found("status.phase!=Running"), ["idle"]);
      assert.deepEqual(await found("spec.nodeName="), ["idle"]);
      assert.deepEqual(await found("status.phase=Running,metadata.name!=one"), ["two"]);
      assert.deepEqual(await found("spec.restartPolicy=Always,spec.schedulerName=nobody"), ["idle"]);
      assert.deepEqual(await found(`metadata.namespace=${space},metadata.name=one`, null), ["one"]);
      const node = field(await ground().get(kinds.pod, space, "one"), "spec", "nodeName");
      assert.ok((await found(`spec.nodeName=${String(node)}`)).includes("one"));
    });

    test("custom kinds know the fields metadata.name and metadata.namespace only", async () => {
      const group = `${ns}.example`;
      await ground().create(null, definition(group));
      const path = `/apis/${group}/v1/namespaces/${ns}/gadgets`;
      await served(path);
      const gadget = { apiVersion: `${group}/v1`, kind: "Gadget", metadata: { name: "g" }, spec: { size: 3 } };
      assert.equal((await ground().raw({ method: "POST", path, body: gadget })).code, 201);
      const list = await ground().raw({ method: "GET", path: `${path}?fieldSelector=metadata.name%3Dg` });
      assert.deepEqual(namesOf(list.body), ["g"]);
      assert.equal(
        wordsOf(await ground().raw({ method: "GET", path: `${path}?fieldSelector=spec.size%3D3` })),
        "400: field label not supported: spec.size",
      );
    });

    test("a custom kind is resolved by every name it has, and printed with its own columns", async () => {
      const group = `${ns}.example`;
      const { read } = ground().cluster;
      const type = { group, version: "v1", resource: "gadgets", kind: "Gadget", namespaced: true };
      for (const word of ["gdg", "gadgets", "gadget", "Gadget"]) {
        assert.deepEqual(await read.resolve(`${word}.${group}`), type, word);
        assert.deepEqual(await read.resolve(`${word}.v1.${group}`), type, word);
      }
      const table = await read.table({ type, namespace: ns });
      assert.deepEqual(
        table.columns.map(({ name }) => name),
        ["Name", "Size"],
      );
      assert.deepEqual(table.rows, [["g", "3"]]);
      assert.equal(await read.resolve(`gadgets.nope.${group}`), null);
    });

    async function served(path: string): Promise<void> {
      await until(`${path} is served`, async () => (await ground().raw({ method: "GET", path })).code === 200, 30_000);
    }

    describe("pages", () => {
      let space: string;
      const path = (query: string) => `${pathOf(kinds.configmap, space)}?${query}`;

      before(async () => {
        space = await ground().namespace("pages");
        const labels = { made: "here" };
        await ground().create(space, ...["a", "b", "c", "d", "e"].map((name) => configMap(name, {}, { labels })));
      });

      test("a page says how many more there are; the pages of one list are of one moment", async () => {
        const first = await ground().raw({ method: "GET", path: path("limit=2") });
        assert.deepEqual(namesOf(first.body), ["a", "b"]);
        assert.equal(field(first.body, "metadata", "remainingItemCount"), 4);
        await ground().create(space, configMap("bb"));
        const token = encodeURIComponent(String(field(first.body, "metadata", "continue")));
        const second = await ground().raw({ method: "GET", path: path(`limit=2&continue=${token}`) });
        assert.deepEqual(namesOf(second.body), ["c", "d"]);
        assert.equal(
          field(second.body, "metadata", "resourceVersion"),
          field(first.body, "metadata", "resourceVersion"),
        );
        const next = encodeURIComponent(String(field(second.body, "metadata", "continue")));
        const last = await ground().raw({ method: "GET", path: path(`limit=2&continue=${next}`) });
        assert.deepEqual(namesOf(last.body), ["e", "kube-root-ca.crt"]);
        assert.equal(field(last.body, "metadata", "continue"), undefined);
        assert.equal(field(last.body, "metadata", "remainingItemCount"), undefined);
      });

      test("with a selector nobody counts what remains", async () => {
        const page = await ground().raw({ method: "GET", path: path("limit=2&labelSelector=made%3Dhere") });
        assert.deepEqual(namesOf(page.body), ["a", "b"]);
        assert.ok(field(page.body, "metadata", "continue"));
        assert.equal(field(page.body, "metadata", "remainingItemCount"), undefined);
        const { items, remaining } = await ground().cluster.read.list({
          type: kinds.configmap,
          namespace: space,
          labelSelector: "made=here",
          limit: 3,
        });
        assert.deepEqual([items.length, remaining], [3, 1]);
      });

      test("a token goes with no other version and no other selector than its own list's", async () => {
        const first = await ground().raw({ method: "GET", path: path("limit=2") });
        const token = encodeURIComponent(String(field(first.body, "metadata", "continue")));
        const version = String(field(first.body, "metadata", "resourceVersion"));
        assert.equal(
          wordsOf(await ground().raw({ method: "GET", path: path(`continue=${token}&resourceVersion=${version}`) })),
          "400: specifying resource version is not allowed when using continue",
        );
      });

      test("an exact version is read as it was, and a least version as it is now", async () => {
        const now = await ground().raw({ method: "GET", path: path("") });
        const version = String(field(now.body, "metadata", "resourceVersion"));
        await ground().create(space, configMap("later"));
        const then = await ground().raw({
          method: "GET",
          path: path(`resourceVersion=${version}&resourceVersionMatch=Exact`),
        });
        assert.deepEqual(namesOf(then.body), namesOf(now.body));
        const newer = await ground().raw({
          method: "GET",
          path: path(`resourceVersion=${version}&resourceVersionMatch=NotOlderThan`),
        });
        assert.ok(namesOf(newer.body).includes("later"));
        assert.equal(
          wordsOf(await ground().raw({ method: "GET", path: path("resourceVersion=0&resourceVersionMatch=Exact") })),
          `422: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`,
        );
      });
    });

    describe("tables", () => {
      let space: string;

      before(async () => {
        space = await ground().namespace("tables");
        await ground().create(
          space,
          deployment("web", { replicas: 2 }),
          pod("single"),
          pod("pair", {
            spec: {
              containers: [
                { name: "main", image: "registry.example/web:1" },
                { name: "sidecar", image: "registry.example/web:1" },
              ],
            },
          }),
        );
        await ground().settled(
          "web is available",
          kinds.deployment,
          space,
          "web",
          (o) => field(o, "status", "availableReplicas") === 2,
        );
        for (const name of ["single", "pair"]) {
          await ground().settled(
            `${name} runs`,
            kinds.pod,
            space,
            name,
            (o) => field(o, "status", "phase") === "Running",
          );
        }
      });

      test("rows of pods and deployments are what kubectl prints", async () => {
        const { read } = ground().cluster;
        const pods = await read.table({ type: kinds.pod, namespace: space, fieldSelector: "metadata.name!=x" });
        assert.deepEqual(
          pods.columns.map(({ name, priority }) => (priority === 0 ? name : `${name}+`)),
          ["Name", "Ready", "Status", "Restarts", "Age", "IP+", "Node+", "Nominated Node+", "Readiness Gates+"],
        );
        const pair = pods.rows.find(([name]) => name === "pair") ?? [];
        assert.deepEqual(pair.slice(1, 4), ["2/2", "Running", "0"]);
        assert.match(pair[4] ?? "", /^\d+s$/);
        assert.match(pair[6] ?? "", /^node-\d$/);
        assert.deepEqual(pair.slice(7), ["<none>", "<none>"]);
        const deployments = await read.table({ type: kinds.deployment, namespace: space });
        const [web = []] = deployments.rows;
        assert.deepEqual(web.slice(0, 4), ["web", "2/2", "2", "2"]);
        assert.deepEqual(web.slice(5), ["main", "registry.example/web:1", "app=web"]);
      });

      test("a table of one object has one row, of none no row, of all namespaces a namespace first", async () => {
        const { read } = ground().cluster;
        const one = await read.table({ type: kinds.deployment, namespace: space, name: "web" });
        assert.equal(one.rows.length, 1);
        assert.deepEqual((await read.table({ type: kinds.deployment, namespace: space, name: "z" })).rows, []);
        const all = await read.table({ type: kinds.deployment, namespace: null, labelSelector: "none=such" });
        assert.deepEqual(all.rows, []);
        const everywhere = await read.table({
          type: kinds.pod,
          namespace: null,
          fieldSelector: `metadata.namespace=${space},metadata.name=pair`,
        });
        assert.deepEqual(everywhere.rows[0]?.slice(0, 4), [space, "pair", "2/2", "Running"]);
      });

      test("a table has the limit and the remainder of its list", async () => {
        const table = await ground().cluster.read.table({ type: kinds.pod, namespace: space, limit: 1 });
        assert.equal(table.rows.length, 1);
        assert.equal(table.remaining, 3);
      });

      for (const [include, carried] of [
        ["None", undefined],
        ["Metadata", "PartialObjectMetadata"],
        ["Object", "Pod"],
      ] as const) {
        test(`a row's object with includeObject=${include}`, async () => {
          const { body } = await ground().raw({
            method: "GET",
            path: `${pathOf(kinds.pod, space)}?limit=1&includeObject=${include}`,
            headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" },
          });
          assert.equal(field(body, "rows", 0, "object", "kind"), carried);
        });
      }

      test("the table of a pod tells how it fares, in kubectl's words", async () => {
        await ground().create(
          space,
          pod("missing", { image: "missing.example/web:1" }),
          pod("idle", { spec: { schedulerName: "nobody" } }),
        );
        await ground().settled(
          "the image is not pulled",
          kinds.pod,
          space,
          "missing",
          (o) => field(o, "status", "containerStatuses", 0, "state", "waiting", "reason") === "ImagePullBackOff",
        );
        const cells = async (name: string) =>
          (await ground().cluster.read.table({ type: kinds.pod, namespace: space, name })).rows[0]?.slice(1, 4);
        assert.deepEqual(await cells("missing"), ["0/1", "ImagePullBackOff", "0"]);
        assert.deepEqual(await cells("idle"), ["0/1", "Pending", "0"]);
      });
    });

    test("every kind that Steward reasons about is served as it believes", async () => {
      for (const type of Object.values(kinds)) {
        const root = type.group === "" ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
        const { body } = await ground().raw({ method: "GET", path: root });
        const resources = field(body, "resources");
        assert.ok(Array.isArray(resources), root);
        const found = resources.find((entry) => field(entry, "name") === type.resource);
        assert.deepEqual(
          { kind: field(found, "kind"), namespaced: field(found, "namespaced") },
          { kind: type.kind, namespaced: type.namespaced },
          type.resource,
        );
      }
    });

    test("short names and singular names are resolved", async () => {
      const { read } = ground().cluster;
      const words = {
        ing: "ingresses.networking.k8s.io",
        netpol: "networkpolicies.networking.k8s.io",
        sc: "storageclasses.storage.k8s.io",
        pv: "persistentvolumes.",
        sa: "serviceaccounts.",
        quota: "resourcequotas.",
        limits: "limitranges.",
        ep: "endpoints.",
        endpointslice: "endpointslices.discovery.k8s.io",
        pc: "priorityclasses.scheduling.k8s.io",
        crd: "customresourcedefinitions.apiextensions.k8s.io",
        clusterrole: "clusterroles.rbac.authorization.k8s.io",
        event: "events.",
      };
      for (const [word, expected] of Object.entries(words)) {
        const type = await read.resolve(word);
        assert.equal(type === null ? null : `${type.resource}.${type.group}`, expected, word);
      }
      assert.match(await read.version(), /^v1\.\d+\.\d+/);
    });
  });
}
