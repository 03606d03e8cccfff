import { noUid, type Question } from "./answers.ts";

const core = "/api/v1/namespaces/{ns}";
const apps = "/apis/apps/v1/namespaces/{ns}";
const web = `${apps}/deployments/web`;
const leases = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const json = { "content-type": "application/json-patch+json" };
const merge = { "content-type": "application/merge-patch+json" };
const strategic = { "content-type": "application/strategic-merge-patch+json" };
const applied = { "content-type": "application/apply-patch+yaml" };

const container = { name: "main", image: "registry.example/web:1", resources: { limits: { memory: "64Mi" } } };

const deployment = (name: string, spec: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
    ...spec,
  },
});

const pod = (name: string, spec: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app: name } },
  spec: { containers: [container], ...spec },
});

const lease = (metadata: object) => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "holder", ...metadata },
  spec: { holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 1 },
});

const access = (resourceAttributes: object) => ({
  apiVersion: "authorization.k8s.io/v1",
  kind: "SubjectAccessReview",
  spec: { user: "reader", resourceAttributes: { namespace: "{ns}", ...resourceAttributes } },
});

/** Preparations, in the order in which the questions need them. */
const setups: readonly Question[] = [
  setup("namespace", "/api/v1/namespaces", { metadata: { name: "{ns}" } }),
  setup("deployment", `${apps}/deployments`, deployment("web")),
  setup("config map", `${core}/configmaps`, { metadata: { name: "settings" }, data: { mode: "fast" } }),
  setup("fixed config map", `${core}/configmaps`, { metadata: { name: "fixed" }, immutable: true, data: { a: "1" } }),
  setup("lease", leases, lease({})),
  setup("service account", `${core}/serviceaccounts`, { metadata: { name: "bot" } }),
  setup("role", "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", {
    metadata: { name: "read-pods" },
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }],
  }),
  setup("role binding", "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", {
    metadata: { name: "reader" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "read-pods" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "reader" }],
  }),
  setup("pod", `${core}/pods`, pod("single")),
  setup("pod of two", `${core}/pods`, pod("pair", { containers: [container, { ...container, name: "sidecar" }] })),
  setup("unscheduled pod", `${core}/pods`, pod("idle", { schedulerName: "nobody" })),
  setup("guarded pod", `${core}/pods`, pod("guarded")),
  setup("budget", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets", {
    metadata: { name: "guard" },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "guarded" } } },
  }),
  setup("definition", crds, {
    metadata: { name: "gadgets.{ns}.example" },
    spec: {
      group: "{ns}.example",
      scope: "Namespaced",
      names: { plural: "gadgets", singular: "gadget", kind: "Gadget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { spec: { type: "object", properties: { size: { type: "integer", minimum: 1 } } } },
            },
          },
        },
      ],
    },
  }),
];

function setup(name: string, path: string, body: unknown): Question {
  return { name, request: { method: "POST", path, body }, setup: true };
}

const reads: readonly Question[] = [
  { name: "get of a missing object", request: { method: "GET", path: `${apps}/deployments/nope` } },
  { name: "get of a missing core object", request: { method: "GET", path: `${core}/pods/nope` } },
  { name: "get of a missing cluster object", request: { method: "GET", path: "/api/v1/nodes/nope" } },
  { name: "get in a missing namespace", request: { method: "GET", path: "/api/v1/namespaces/nope/pods/x" } },
  {
    name: "list in a missing namespace",
    request: { method: "GET", path: "/api/v1/namespaces/nope/pods" },
    keep: ({ kind, items }) => ({ kind, items }),
  },
  { name: "unknown resource", request: { method: "GET", path: `${apps}/gizmos` } },
  { name: "unknown group", request: { method: "GET", path: "/apis/nope.example/v1/gizmos" } },
  { name: "unknown subresource", request: { method: "GET", path: `${web}/nope` } },
  {
    name: "label selector that does not parse",
    request: { method: "GET", path: `${core}/pods?labelSelector=a%3D%3D%3Db` },
  },
  {
    name: "field selector that is not supported",
    request: { method: "GET", path: `${core}/pods?fieldSelector=spec.x%3Dy` },
  },
  {
    name: "field selector that does not parse",
    request: { method: "GET", path: `${core}/pods?fieldSelector=nonsense` },
  },
  { name: "limit that is no number", request: { method: "GET", path: `${core}/pods?limit=many` } },
  { name: "continue token that is none", request: { method: "GET", path: `${core}/pods?limit=1&continue=nonsense` } },
  { name: "list at a version that is no number", request: { method: "GET", path: `${core}/pods?resourceVersion=x` } },
  {
    name: "list at a version not yet there",
    request: { method: "GET", path: `${core}/pods?resourceVersion=99999999` },
  },
  {
    name: "resourceVersionMatch without a version",
    request: { method: "GET", path: `${core}/pods?resourceVersionMatch=Exact` },
  },
  {
    name: "watch from a version that is no number",
    request: { method: "GET", path: `${core}/pods?watch=1&resourceVersion=x` },
  },
  {
    name: "watch from a version too old",
    request: { method: "GET", path: "/apis/{ns}.example/v1/gadgets?watch=1&resourceVersion=1", firstLine: true },
    until: ({ code }) => code === 200,
  },
  {
    name: "media type that is not served",
    request: { method: "GET", path: web, headers: { accept: "text/html" } },
  },
];

const tables: readonly Question[] = [
  ["pods", `${core}/pods`],
  ["nodes", "/api/v1/nodes"],
  ["services", `${core}/services`],
  ["events", `${core}/events`],
  ["config maps", `${core}/configmaps`],
  ["namespaces", "/api/v1/namespaces"],
  ["persistent volume claims", `${core}/persistentvolumeclaims`],
  ["deployments", `${apps}/deployments`],
  ["replica sets", `${apps}/replicasets`],
  ["stateful sets", `${apps}/statefulsets`],
  ["daemon sets", `${apps}/daemonsets`],
  ["jobs", "/apis/batch/v1/namespaces/{ns}/jobs"],
  ["cron jobs", "/apis/batch/v1/namespaces/{ns}/cronjobs"],
  ["autoscalers", "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers"],
  ["disruption budgets", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"],
  ["leases", leases],
  ["custom objects", "/apis/{ns}.example/v1/namespaces/{ns}/gadgets"],
].map(([name, path]) => ({
  name: `columns of a table of ${name}`,
  request: {
    method: "GET",
    path: `${path}?limit=1`,
    headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" },
  },
  keep: ({ columnDefinitions }) => undescribed(columnDefinitions),
}));

/** Columns without the texts that no command prints. */
function undescribed(columns: unknown): unknown {
  return JSON.parse(
    JSON.stringify(columns ?? null, (key, value: unknown) => (key === "description" ? undefined : value)),
  );
}

const creates: readonly Question[] = [
  { name: "create of what exists", request: { method: "POST", path: `${apps}/deployments`, body: deployment("web") } },
  {
    name: "create in a missing namespace",
    request: { method: "POST", path: "/api/v1/namespaces/nope/configmaps", body: { metadata: { name: "x" } } },
  },
  {
    name: "create without a name",
    request: { method: "POST", path: `${core}/configmaps`, body: { metadata: {} } },
  },
  {
    name: "create with a bad name",
    request: { method: "POST", path: `${core}/configmaps`, body: { metadata: { name: "Not_A_Name" } } },
  },
  {
    name: "create with a bad label",
    request: {
      method: "POST",
      path: `${core}/configmaps`,
      body: { metadata: { name: "x", labels: { a: "no blanks" } } },
    },
  },
  {
    name: "create in another namespace than the path's",
    request: { method: "POST", path: `${core}/configmaps`, body: { metadata: { name: "x", namespace: "default" } } },
  },
  {
    name: "create of another kind than the path's",
    request: { method: "POST", path: `${core}/configmaps`, body: pod("x") },
  },
  {
    name: "create whose selector does not match its template",
    request: {
      method: "POST",
      path: `${apps}/deployments`,
      body: deployment("x", { selector: { matchLabels: { app: "y" } } }),
    },
  },
  {
    name: "create without what is required",
    request: {
      method: "POST",
      path: `${apps}/deployments`,
      body: { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "x" } },
    },
  },
  {
    name: "create with a wrong type",
    request: { method: "POST", path: `${apps}/deployments`, body: deployment("x", { replicas: "three" }) },
  },
  {
    name: "create with a bad quantity",
    request: {
      method: "POST",
      path: `${core}/pods`,
      body: pod("x", { containers: [{ ...container, resources: { limits: { memory: "much" } } }] }),
    },
  },
  {
    name: "create with a request above its limit",
    request: {
      method: "POST",
      path: `${core}/pods`,
      body: pod("x", {
        containers: [{ ...container, resources: { requests: { memory: "2Gi" }, limits: { memory: "1Gi" } } }],
      }),
    },
  },
  {
    name: "create with an unknown field, which is warned of",
    request: {
      method: "POST",
      path: `${apps}/deployments?dryRun=All&fieldValidation=Warn`,
      body: deployment("x", { colour: "red" }),
    },
  },
  {
    name: "create with an unknown field, strictly",
    request: {
      method: "POST",
      path: `${apps}/deployments?fieldValidation=Strict`,
      body: deployment("x", { colour: "red" }),
    },
  },
  { name: "create of what is not JSON", request: { method: "POST", path: `${core}/configmaps`, body: "{]" } },
  {
    name: "create in a media type that is not served",
    request: { method: "POST", path: `${core}/configmaps`, headers: { "content-type": "text/plain" }, body: "x" },
  },
  { name: "post to an object", request: { method: "POST", path: web, body: deployment("web") } },
  {
    name: "dry run of a word unknown",
    request: { method: "POST", path: `${core}/configmaps?dryRun=Some`, body: { metadata: { name: "x" } } },
  },
  {
    name: "dry run of a create",
    request: {
      method: "POST",
      path: `${core}/configmaps?dryRun=All`,
      body: { metadata: { name: "x" }, data: { a: "b" } },
    },
    keep: ({ kind, data }) => ({ kind, data }),
  },
  { name: "what a dry run did not create", request: { method: "GET", path: `${core}/configmaps/x` } },
];

/** What the server makes of an object that says little: defaults, what it sets itself, and who owns which field. */
const defaults: readonly Question[] = [
  ["pod", `${core}/pods`, pod("x", { initContainers: [{ ...container, name: "init" }] })],
  [
    "pod with everything that people set",
    `${core}/pods`,
    pod("x", {
      containers: [
        {
          ...container,
          ports: [{ containerPort: 8080, name: "http" }],
          env: [
            { name: "A", value: "1" },
            { name: "B", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "C", valueFrom: { configMapKeyRef: { name: "settings", key: "mode" } } },
          ],
          readinessProbe: { httpGet: { path: "/", port: "http" } },
          livenessProbe: { exec: { command: ["true"] } },
          startupProbe: { tcpSocket: { port: 8080 } },
          lifecycle: { preStop: { exec: { command: ["sleep", "1"] } } },
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      volumes: [
        { name: "data", emptyDir: {} },
        { name: "config", configMap: { name: "settings" } },
        { name: "secret", secret: { secretName: "x" } },
      ],
      tolerations: [{ key: "dedicated", operator: "Equal", value: "x", effect: "NoSchedule" }],
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, podAffinityTerm: { topologyKey: "kubernetes.io/hostname" } },
          ],
        },
      },
    }),
  ],
  ["Deployment", `${apps}/deployments`, deployment("x")],
  ["Deployment of strategy Recreate", `${apps}/deployments`, deployment("x", { strategy: { type: "Recreate" } })],
  ["StatefulSet", `${apps}/statefulsets`, { ...deployment("x", { serviceName: "x" }), kind: "StatefulSet" }],
  [
    "StatefulSet with claims",
    `${apps}/statefulsets`,
    {
      ...deployment("x", {
        serviceName: "x",
        volumeClaimTemplates: [
          {
            metadata: { name: "data" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
          },
        ],
      }),
      kind: "StatefulSet",
    },
  ],
  ["DaemonSet", `${apps}/daemonsets`, withoutSize({ ...deployment("x"), kind: "DaemonSet" })],
  ["ReplicaSet", `${apps}/replicasets`, { ...deployment("x"), kind: "ReplicaSet" }],
  [
    "Job",
    "/apis/batch/v1/namespaces/{ns}/jobs",
    { metadata: { name: "x" }, spec: { template: { spec: { restartPolicy: "Never", containers: [container] } } } },
  ],
  [
    "CronJob",
    "/apis/batch/v1/namespaces/{ns}/cronjobs",
    {
      metadata: { name: "x" },
      spec: {
        schedule: "*/5 * * * *",
        jobTemplate: { spec: { template: { spec: { restartPolicy: "OnFailure", containers: [container] } } } },
      },
    },
  ],
  ["Service", `${core}/services`, { metadata: { name: "x" }, spec: { selector: { app: "x" }, ports: [{ port: 80 }] } }],
  [
    "headless Service",
    `${core}/services`,
    { metadata: { name: "x" }, spec: { clusterIP: "None", selector: { app: "x" }, ports: [{ port: 80 }] } },
  ],
  ["ConfigMap", `${core}/configmaps`, { metadata: { name: "x", labels: { a: "b" } }, data: { a: "1" } }],
  ["Secret", `${core}/secrets`, { metadata: { name: "x" }, stringData: { a: "1" } }],
  ["ServiceAccount", `${core}/serviceaccounts`, { metadata: { name: "x" } }],
  [
    "claim",
    `${core}/persistentvolumeclaims`,
    {
      metadata: { name: "x" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    },
  ],
  [
    "quota",
    `${core}/resourcequotas`,
    { metadata: { name: "x" }, spec: { hard: { pods: "100", "requests.cpu": "1000m" } } },
  ],
  [
    "limit range",
    `${core}/limitranges`,
    { metadata: { name: "x" }, spec: { limits: [{ type: "Container", default: { memory: "64Mi" } }] } },
  ],
  ["namespace", "/api/v1/namespaces", { metadata: { name: "{ns}-x" } }],
  ["node", "/api/v1/nodes", { metadata: { name: "{ns}-x" } }],
  ["lease", leases, { metadata: { name: "x" }, spec: { holderIdentity: "a" } }],
  [
    "budget",
    "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
    { metadata: { name: "x" }, spec: { maxUnavailable: 1, selector: { matchLabels: { app: "x" } } } },
  ],
  [
    "autoscaler",
    "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers",
    {
      metadata: { name: "x" },
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" } },
    },
  ],
  [
    "Ingress",
    "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses",
    { metadata: { name: "x" }, spec: { defaultBackend: { service: { name: "x", port: { number: 80 } } } } },
  ],
  [
    "network policy",
    "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    { metadata: { name: "x" }, spec: { podSelector: {} } },
  ],
  [
    "role binding",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    {
      metadata: { name: "x" },
      roleRef: { kind: "ClusterRole", name: "view" },
      subjects: [{ kind: "ServiceAccount", name: "bot" }],
    },
  ],
  [
    "event",
    `${core}/events`,
    { metadata: { name: "x" }, involvedObject: { kind: "Pod", name: "x", namespace: "{ns}" } },
  ],
].map(([name, path, body]) => ({
  name: `defaults of a ${String(name)}`,
  request: { method: "POST", path: `${String(path)}?dryRun=All`, body },
  keep: unrandom,
}));

function withoutSize({ spec: { replicas: _, ...spec }, ...rest }: ReturnType<typeof deployment>): object {
  return { ...rest, spec };
}

/** Names and addresses that the server draws. */
function unrandom(body: unknown): unknown {
  return JSON.parse(
    JSON.stringify(body)
      .replaceAll(/kube-api-access-\w{5}/g, "kube-api-access-{random}")
      .replaceAll(/"10\.96\.\d+\.\d+"/g, '"{ip}"'),
  );
}

const updates: readonly Question[] = [
  {
    name: "update with an old version",
    request: {
      method: "PUT",
      path: `${core}/configmaps/settings`,
      body: { metadata: { name: "settings", resourceVersion: "1" } },
    },
  },
  {
    name: "update with another uid",
    request: {
      method: "PUT",
      path: `${core}/configmaps/settings`,
      body: { metadata: { name: "settings", uid: noUid } },
    },
  },
  {
    name: "update under another name",
    request: { method: "PUT", path: `${core}/configmaps/settings`, body: { metadata: { name: "other" } } },
  },
  {
    name: "update of a missing object",
    request: { method: "PUT", path: `${core}/configmaps/nope`, body: { metadata: { name: "nope" } } },
  },
  {
    name: "update of what is immutable",
    request: {
      method: "PUT",
      path: `${core}/configmaps/fixed`,
      body: { metadata: { name: "fixed" }, immutable: true, data: { a: "2" } },
    },
  },
  { name: "create of a lease that exists", request: { method: "POST", path: leases, body: lease({}) } },
  {
    name: "update of a lease with an old version",
    request: { method: "PUT", path: `${leases}/holder`, body: lease({ resourceVersion: "1" }) },
  },
  {
    name: "update of a lease without a version",
    request: { method: "PUT", path: `${leases}/holder`, body: lease({}) },
  },
  {
    name: "update of a missing lease",
    request: { method: "PUT", path: `${leases}/nope`, body: lease({ name: "nope", resourceVersion: "1" }) },
  },
];

function patch(name: string, headers: Readonly<Record<string, string>>, body: unknown, path = web): Question {
  return { name, request: { method: "PATCH", path, headers, body } };
}

const patches: readonly Question[] = [
  patch("JSON patch whose test fails", json, [{ op: "test", path: "/spec/replicas", value: 7 }]),
  patch("JSON patch whose test fails, among others", json, [
    { op: "test", path: "/spec/replicas", value: 7 },
    { op: "replace", path: "/spec/replicas", value: 8 },
  ]),
  patch("JSON patch whose test is of a path not there", json, [{ op: "test", path: "/spec/nope", value: 1 }]),
  patch("JSON patch whose test is of another uid", json, [{ op: "test", path: "/metadata/uid", value: noUid }]),
  patch("JSON patch that removes what is not there", json, [{ op: "remove", path: "/spec/nope" }]),
  patch("JSON patch that replaces what is not there", json, [{ op: "replace", path: "/spec/nope", value: 1 }]),
  patch("JSON patch that adds under what is not there", json, [{ op: "add", path: "/spec/nope/deep", value: 1 }]),
  patch("JSON patch of an index not there", json, [
    { op: "replace", path: "/spec/template/spec/containers/5/image", value: "x" },
  ]),
  patch("JSON patch of an operation unknown", json, [{ op: "frobnicate", path: "/spec/replicas" }]),
  patch("JSON patch that is no list", json, { op: "test", path: "/spec/replicas", value: 1 }),
  patch("JSON patch that is no JSON", json, "[{"),
  patch("JSON patch to a wrong type", json, [{ op: "replace", path: "/spec/replicas", value: "three" }]),
  patch("JSON patch to an invalid value", json, [{ op: "replace", path: "/spec/replicas", value: -1 }]),
  patch("JSON patch of an immutable field", json, [{ op: "add", path: "/spec/selector/matchLabels/b", value: "c" }]),
  patch(
    "JSON patch of a missing object",
    json,
    [{ op: "test", path: "/kind", value: "x" }],
    `${apps}/deployments/nope`,
  ),
  patch("merge patch with an old version", merge, { metadata: { resourceVersion: "1" }, spec: { replicas: 2 } }),
  patch("merge patch with another uid", merge, { metadata: { uid: noUid }, spec: { replicas: 2 } }),
  patch("merge patch of the name", merge, { metadata: { name: "other" } }),
  patch("merge patch that is no object", merge, [1]),
  patch(
    "merge patch with an unknown field, which is warned of",
    merge,
    { spec: { colour: "red" } },
    `${web}?dryRun=All`,
  ),
  patch(
    "merge patch with an unknown field, strictly",
    merge,
    { spec: { colour: "red" } },
    `${web}?fieldValidation=Strict`,
  ),
  patch("strategic patch with an old version", strategic, {
    metadata: { resourceVersion: "1" },
    spec: { replicas: 2 },
  }),
  patch("strategic patch with another uid", strategic, { metadata: { uid: noUid }, spec: { replicas: 2 } }),
  patch("strategic patch of a container without a name", strategic, {
    spec: { template: { spec: { containers: [{ image: "x" }] } } },
  }),
  patch("strategic patch of a container that is new and has no image", strategic, {
    spec: { template: { spec: { containers: [{ name: "second" }] } } },
  }),
  patch(
    "strategic patch of a custom object",
    strategic,
    { spec: { size: 2 } },
    "/apis/{ns}.example/v1/namespaces/{ns}/gadgets/nope",
  ),
  patch("patch of a type unknown", { "content-type": "application/json" }, { spec: { replicas: 2 } }),
  patch("patch of a dry run of a word unknown", merge, { spec: { replicas: 2 } }, `${web}?dryRun=Some`),
  patch("patch of a pod's immutable field", merge, { spec: { hostNetwork: true } }, `${core}/pods/idle`),
  {
    ...patch("dry run of a patch", strategic, { spec: { replicas: 5 } }, `${web}?dryRun=All&fieldManager=steward`),
    keep: ({ kind, spec }) => ({ kind, spec }),
  },
];

const applies: readonly Question[] = [
  patch("apply without a field manager", applied, deployment("web")),
  patch(
    "apply with a manager and a conflict",
    applied,
    deployment("web", { replicas: 4 }),
    `${web}?fieldManager=steward`,
  ),
  patch("apply with two conflicts of one manager", applied, conflicting(), `${web}?fieldManager=steward`),
  patch("apply of another kind than the path's", applied, pod("web"), `${web}?fieldManager=steward`),
  patch("apply under another name", applied, deployment("other"), `${web}?fieldManager=steward`),
  patch("apply without kind", applied, { metadata: { name: "web" } }, `${web}?fieldManager=steward`),
  patch("apply with an old version", applied, versioned(), `${web}?fieldManager=steward&force=true`),
  patch("apply with managed fields", applied, managed(), `${web}?fieldManager=steward&force=true`),
  {
    ...patch(
      "apply by force, as a dry run",
      applied,
      deployment("web", { replicas: 4 }),
      `${web}?fieldManager=steward&force=true&dryRun=All`,
    ),
    keep: ({ kind, spec }) => ({ kind, spec }),
  },
  {
    ...patch(
      "apply that creates, as a dry run",
      applied,
      deployment("new"),
      `${apps}/deployments/new?fieldManager=steward&dryRun=All`,
    ),
    keep: ({ kind, metadata }) => ({ kind, metadata }),
  },
];

function conflicting(): object {
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ ...container, image: "other:2" }] } };
  return deployment("web", { replicas: 4, template });
}

function versioned(): object {
  return { ...deployment("web"), metadata: { name: "web", resourceVersion: "1" } };
}

function managed(): object {
  return { ...deployment("web"), metadata: { name: "web", managedFields: [{ manager: "x", operation: "Apply" }] } };
}

const scales: readonly Question[] = [
  {
    name: "scale",
    request: { method: "GET", path: `${web}/scale` },
    until: ({ code }) => code === 200,
    keep: ({ kind, apiVersion, metadata, spec }) => ({ kind, apiVersion, metadata, spec }),
  },
  patch("scale below zero", merge, { spec: { replicas: -1 } }, `${web}/scale`),
  patch(
    "scale with an old version",
    merge,
    { metadata: { resourceVersion: "1" }, spec: { replicas: 2 } },
    `${web}/scale`,
  ),
  patch("scale whose test fails", json, [{ op: "test", path: "/spec/replicas", value: 7 }], `${web}/scale`),
  patch("scale of a missing object", merge, { spec: { replicas: 2 } }, `${apps}/deployments/nope/scale`),
  {
    name: "scale put with an old version",
    request: {
      method: "PUT",
      path: `${web}/scale`,
      body: {
        apiVersion: "autoscaling/v1",
        kind: "Scale",
        metadata: { name: "web", namespace: "{ns}", resourceVersion: "1" },
        spec: { replicas: 2 },
      },
    },
  },
  {
    ...patch("scale as a dry run", merge, { spec: { replicas: 2 } }, `${web}/scale?dryRun=All`),
    keep: ({ kind, apiVersion, spec }) => ({ kind, apiVersion, spec }),
  },
];

const rights: readonly Question[] = [
  {
    name: "access review of what is allowed",
    request: {
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      body: access({ verb: "list", resource: "pods" }),
    },
    keep: ({ status }) => status,
  },
  {
    name: "access review of what is not",
    request: {
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      body: access({ verb: "delete", resource: "pods", name: "single" }),
    },
    keep: ({ status }) => status,
  },
  {
    name: "access review without a user",
    request: {
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      body: { spec: { resourceAttributes: { verb: "get" } } },
    },
  },
  {
    name: "access review of oneself",
    as: "reader",
    request: {
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      body: { spec: { resourceAttributes: { namespace: "{ns}", verb: "get", resource: "pods" } } },
    },
    keep: ({ status }) => status,
  },
  {
    name: "who one is",
    as: "reader",
    request: { method: "POST", path: "/apis/authentication.k8s.io/v1/selfsubjectreviews", body: {} },
    keep: ({ status }) => status,
  },
  {
    name: "rights of oneself",
    as: "reader",
    request: {
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
      body: { spec: { namespace: "{ns}" } },
    },
    keep: ({ status }) => inOrder(status),
  },
  {
    name: "list that is allowed",
    as: "reader",
    request: { method: "GET", path: `${core}/pods?limit=1` },
    until: ({ code }) => code === 200,
  },
  { name: "get without the right", as: "reader", request: { method: "GET", path: web } },
  { name: "list without the right", as: "reader", request: { method: "GET", path: `${apps}/deployments` } },
  { name: "list of all namespaces without the right", as: "reader", request: { method: "GET", path: "/api/v1/pods" } },
  { name: "delete without the right", as: "reader", request: { method: "DELETE", path: `${core}/pods/single` } },
  { name: "log without the right", as: "reader", request: { method: "GET", path: `${core}/pods/single/log` } },
  { name: "scale without the right", as: "reader", request: { method: "GET", path: `${web}/scale` } },
  { name: "node without the right", as: "reader", request: { method: "GET", path: "/api/v1/nodes/node-1" } },
  { ...patch("patch without the right", merge, { spec: { replicas: 2 } }), as: "reader" },
  {
    name: "create without the right",
    as: "reader",
    request: { method: "POST", path: `${core}/configmaps`, body: { metadata: { name: "x" } } },
  },
  { name: "path without the right", as: "reader", request: { method: "GET", path: "/metrics" } },
  { name: "service account without the right", by: "bot", request: { method: "GET", path: `${core}/pods` } },
  {
    name: "impersonation without the right",
    by: "bot",
    as: "reader",
    request: { method: "GET", path: `${core}/pods` },
  },
  {
    name: "token that is none",
    request: { method: "GET", path: `${core}/pods`, headers: { authorization: "Bearer nonsense" }, anonymous: true },
  },
  { name: "nobody", request: { method: "GET", path: `${core}/pods`, anonymous: true } },
];

/** Rules come in no particular order. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(inOrder).sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inOrder(item)]));
}

const logs: readonly Question[] = [
  { name: "log of a missing pod", request: { method: "GET", path: `${core}/pods/nope/log` } },
  { name: "log without a container's name", request: { method: "GET", path: `${core}/pods/pair/log` } },
  { name: "log of a missing container", request: { method: "GET", path: `${core}/pods/pair/log?container=nope` } },
  { name: "log with a tail below zero", request: { method: "GET", path: `${core}/pods/single/log?tailLines=-1` } },
  {
    name: "log with two times",
    request: { method: "GET", path: `${core}/pods/single/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z` },
  },
  {
    name: "exec of a missing container",
    request: { method: "POST", path: `${core}/pods/single/exec?container=nope&command=true` },
  },
];

const eviction = (name: string, deleteOptions: object = {}) => ({
  apiVersion: "policy/v1",
  kind: "Eviction",
  metadata: { name, namespace: "{ns}" },
  deleteOptions,
});

const removals: readonly Question[] = [
  {
    name: "delete with another uid",
    request: { method: "DELETE", path: web, body: { preconditions: { uid: noUid } } },
  },
  {
    name: "delete with another version",
    request: { method: "DELETE", path: web, body: { preconditions: { resourceVersion: "1" } } },
  },
  { name: "delete of a missing object", request: { method: "DELETE", path: `${apps}/deployments/nope` } },
  {
    name: "delete with a propagation unknown",
    request: { method: "DELETE", path: web, body: { propagationPolicy: "Sideways" } },
  },
  {
    name: "delete with a grace period below zero",
    request: { method: "DELETE", path: `${core}/pods/idle`, body: { gracePeriodSeconds: -5 } },
  },
  { name: "delete as a dry run", request: { method: "DELETE", path: `${web}?dryRun=All` } },
  { name: "delete", request: { method: "DELETE", path: web, body: { propagationPolicy: "Background" } } },
  {
    name: "budget that is met",
    request: { method: "GET", path: "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/guard" },
    until: ({ body }) => JSON.stringify(body).includes('"currentHealthy":1'),
    keep: ({ kind, spec }) => ({ kind, spec }),
  },
  {
    name: "eviction of a missing pod",
    request: { method: "POST", path: `${core}/pods/nope/eviction`, body: eviction("nope") },
  },
  {
    name: "eviction under another name",
    request: { method: "POST", path: `${core}/pods/single/eviction`, body: eviction("other") },
  },
  {
    name: "eviction with another uid",
    request: {
      method: "POST",
      path: `${core}/pods/single/eviction`,
      body: eviction("single", { preconditions: { uid: noUid } }),
    },
  },
  {
    name: "eviction that a budget forbids",
    request: { method: "POST", path: `${core}/pods/guarded/eviction`, body: eviction("guarded") },
  },
  {
    name: "eviction as a dry run",
    request: { method: "POST", path: `${core}/pods/single/eviction`, body: eviction("single", { dryRun: ["All"] }) },
  },
  {
    name: "eviction",
    request: { method: "POST", path: `${core}/pods/single/eviction`, body: eviction("single") },
  },
  {
    name: "delete of a pod, by the kubelet's leave",
    request: { method: "DELETE", path: `${core}/pods/pair` },
    keep: ({ kind }) => ({ kind }),
  },
];

const admission: readonly Question[] = [
  setup("quota", `${core}/resourcequotas`, { metadata: { name: "few" }, spec: { hard: { "count/configmaps": "1" } } }),
  {
    name: "create beyond a quota",
    request: { method: "POST", path: `${core}/configmaps?dryRun=All`, body: { metadata: { name: "x" } } },
    until: ({ body }) => JSON.stringify(body).includes("exceeded quota"),
  },
  {
    name: "restricted namespace",
    request: {
      method: "PATCH",
      path: "/api/v1/namespaces/{ns}",
      headers: merge,
      body: { metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } } },
    },
    setup: true,
  },
  {
    name: "create of a pod that pod security forbids",
    request: { method: "POST", path: `${core}/pods`, body: pod("x") },
    until: ({ code }) => code === 403,
  },
  {
    name: "delete of the definition",
    request: { method: "DELETE", path: `${crds}/gadgets.{ns}.example` },
    setup: true,
  },
  {
    name: "config map that stays",
    request: {
      method: "PATCH",
      path: `${core}/configmaps/settings`,
      headers: merge,
      body: { metadata: { finalizers: ["steward.io/stay"] } },
    },
    setup: true,
  },
  { name: "delete of the namespace", request: { method: "DELETE", path: "/api/v1/namespaces/{ns}" }, setup: true },
  {
    name: "create in a namespace that goes",
    request: { method: "POST", path: `${core}/serviceaccounts`, body: { metadata: { name: "late" } } },
  },
  {
    name: "config map that may go",
    request: {
      method: "PATCH",
      path: `${core}/configmaps/settings`,
      headers: merge,
      body: { metadata: { finalizers: null } },
    },
    setup: true,
  },
];

/** In order: the last ones delete what the earlier ones need, and the namespace with it. */
export const questions: readonly Question[] = [
  ...setups,
  ...reads,
  ...tables,
  ...creates,
  ...defaults,
  ...updates,
  ...patches,
  ...applies,
  ...scales,
  ...rights,
  ...logs,
  ...removals,
  ...admission,
];
