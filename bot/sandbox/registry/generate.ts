/**
 * Writes kubernetes-types.ts and kubernetes-resources.ts from a Kubernetes source tree:
 *
 *   npx tsx bot/sandbox/registry/generate.ts KUBERNETES_DIR MODULES_DIR VERSION
 *
 * KUBERNETES_DIR holds api/openapi-spec/swagger.json and api/discovery/aggregated_v2.json; MODULES_DIR holds the Go
 * modules api@v0.X, apimachinery@v0.X and apiextensions-apiserver@v0.X. OpenAPI knows list types and required fields;
 * only the Go structs know which fields are pointers and which are left out when empty.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const served: Readonly<Record<string, readonly string[]>> = {
  "": [
    "namespaces",
    "nodes",
    "pods",
    "services",
    "endpoints",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "events",
    "persistentvolumeclaims",
    "persistentvolumes",
    "resourcequotas",
    "limitranges",
  ],
  apps: ["deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions"],
  batch: ["jobs", "cronjobs"],
  autoscaling: ["horizontalpodautoscalers"],
  policy: ["poddisruptionbudgets"],
  "networking.k8s.io": ["ingresses", "ingressclasses", "networkpolicies"],
  "discovery.k8s.io": ["endpointslices"],
  "coordination.k8s.io": ["leases"],
  "events.k8s.io": ["events"],
  "scheduling.k8s.io": ["priorityclasses"],
  "storage.k8s.io": ["storageclasses"],
  "rbac.authorization.k8s.io": ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
  "authentication.k8s.io": ["tokenreviews", "selfsubjectreviews"],
  "authorization.k8s.io": [
    "subjectaccessreviews",
    "selfsubjectaccessreviews",
    "localsubjectaccessreviews",
    "selfsubjectrulesreviews",
  ],
  "apiextensions.k8s.io": ["customresourcedefinitions"],
};
const versionOf = (group: string) => (group === "autoscaling" ? "v2" : "v1");

const Prop: z.ZodType<Prop> = z.lazy(() =>
  z.object({
    $ref: z.string().optional(),
    type: z.string().optional(),
    format: z.string().optional(),
    items: Prop.optional(),
    additionalProperties: Prop.optional(),
    "x-kubernetes-list-type": z.string().optional(),
    "x-kubernetes-list-map-keys": z.array(z.string()).optional(),
    "x-kubernetes-map-type": z.string().optional(),
    "x-kubernetes-patch-merge-key": z.string().optional(),
    "x-kubernetes-patch-strategy": z.string().optional(),
    properties: z.record(z.string(), Prop).optional(),
    required: z.array(z.string()).optional(),
  }),
);
interface Prop {
  $ref?: string | undefined;
  type?: string | undefined;
  format?: string | undefined;
  items?: Prop | undefined;
  additionalProperties?: Prop | undefined;
  "x-kubernetes-list-type"?: string | undefined;
  "x-kubernetes-list-map-keys"?: string[] | undefined;
  "x-kubernetes-map-type"?: string | undefined;
  "x-kubernetes-patch-merge-key"?: string | undefined;
  "x-kubernetes-patch-strategy"?: string | undefined;
  properties?: Record<string, Prop> | undefined;
  required?: string[] | undefined;
}
const Discovery = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string().optional() }).optional(),
      versions: z.array(
        z.object({
          version: z.string(),
          resources: z.array(
            z.object({
              resource: z.string(),
              responseKind: z.object({ kind: z.string() }),
              scope: z.string(),
              singularResource: z.string(),
              shortNames: z.array(z.string()).optional(),
              categories: z.array(z.string()).optional(),
              verbs: z.array(z.string()),
              subresources: z
                .array(
                  z.object({
                    subresource: z.string(),
                    responseKind: z.object({ group: z.string(), version: z.string(), kind: z.string() }).nullish(),
                    verbs: z.array(z.string()),
                  }),
                )
                .optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

const [kubernetesDir = "", modulesDir = "", version = ""] = process.argv.slice(2);
const here = import.meta.dirname;
const definitions = z
  .object({ definitions: z.record(z.string(), Prop) })
  .parse(JSON.parse(readFileSync(join(kubernetesDir, "api/openapi-spec/swagger.json"), "utf8"))).definitions;

interface GoField {
  name: string;
  type: string;
  pointer: boolean;
  omitempty: boolean;
  omitzero: boolean;
  inline: boolean;
  /** Protobuf field numbers, the ones of embedded structs first. */
  numbers: string;
}
const structs = new Map<string, GoField[]>();
const moduleVersion = `v0.${version.split(".").slice(1).join(".")}`;
function readGo(prefix: string, dir: string, files: readonly string[]) {
  for (const file of files) {
    const text = readFileSync(join(modulesDir, dir.replace("@", `@${moduleVersion}`), file), "utf8");
    for (const match of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
      const fields: GoField[] = [];
      for (const line of (match[2] ?? "").split("\n")) {
        const field = /^\t(?:(\w+)\s+)?(\S+)\s+`.*?json:"([^"]*)"/.exec(line);
        if (!field) continue;
        const [name = "", ...options] = (field[3] ?? "").split(",");
        const type = field[2] ?? "";
        fields.push({
          name,
          type: type.replace(/^\*/, ""),
          pointer: type.startsWith("*"),
          omitempty: options.includes("omitempty"),
          omitzero: options.includes("omitzero"),
          inline: name === "" && (options.includes("inline") || field[1] === undefined),
          numbers: /protobuf:"\w+,(\d+),/.exec(line)?.[1] ?? "",
        });
      }
      structs.set(`${prefix}.${match[1]}`, fields);
    }
  }
}
const groupsOfGo: ReadonlyArray<readonly [string, string]> = [
  ["core.v1", "core/v1"],
  ["apps.v1", "apps/v1"],
  ["batch.v1", "batch/v1"],
  ["autoscaling.v1", "autoscaling/v1"],
  ["autoscaling.v2", "autoscaling/v2"],
  ["policy.v1", "policy/v1"],
  ["networking.v1", "networking/v1"],
  ["discovery.v1", "discovery/v1"],
  ["coordination.v1", "coordination/v1"],
  ["events.v1", "events/v1"],
  ["scheduling.v1", "scheduling/v1"],
  ["storage.v1", "storage/v1"],
  ["rbac.v1", "rbac/v1"],
  ["authentication.v1", "authentication/v1"],
  ["authorization.v1", "authorization/v1"],
];
for (const [prefix, dir] of groupsOfGo) readGo(prefix, `api@/${dir}`, ["types.go"]);
readGo("meta.v1", "apimachinery@/pkg/apis/meta/v1", ["types.go", "micro_time.go"]);
readGo("apiextensions.v1", "apiextensions-apiserver@/pkg/apis/apiextensions/v1", ["types.go", "types_jsonschema.go"]);

function shortName(definition: string): string {
  const parts = definition.split(".");
  return parts.slice(-3).join(".");
}
function goFields(type: string): GoField[] {
  const fields = structs.get(type) ?? [];
  const group = type.slice(0, type.lastIndexOf("."));
  return fields.flatMap((field) => {
    if (!field.inline) return [field];
    const inner = field.type.startsWith("metav1.")
      ? field.type.replace("metav1.", "meta.v1.")
      : field.type.startsWith("v1.")
        ? field.type.replace("v1.", "core.v1.")
        : `${group}.${field.type}`;
    return goFields(inner).map((f) => (field.numbers ? { ...f, numbers: `${field.numbers}.${f.numbers}` } : f));
  });
}

const scalars: Readonly<Record<string, string>> = {
  "util.intstr.IntOrString": "intstr",
  "api.resource.Quantity": "quantity",
  "meta.v1.Time": "time",
  "meta.v1.MicroTime": "microtime",
  "meta.v1.FieldsV1": "raw",
  "pkg.runtime.RawExtension": "raw",
  "apiextensions.v1.JSON": "raw",
  "apiextensions.v1.JSONSchemaPropsOrBool": "raw",
  "apiextensions.v1.JSONSchemaPropsOrArray": "raw",
  "apiextensions.v1.JSONSchemaPropsOrStringArray": "raw",
  "apiextensions.v1.JSONSchemaProps": "raw",
};
const wanted: string[] = [];
function typeOf(prop: Prop): string {
  if (prop.$ref) {
    const name = shortName(prop.$ref.replace("#/definitions/", ""));
    const scalar = scalars[name];
    if (scalar) return scalar;
    wanted.push(prop.$ref.replace("#/definitions/", ""));
    return name;
  }
  if (prop.type === "array" && prop.items) return `[]${typeOf(prop.items)}`;
  if (prop.additionalProperties) return `map ${typeOf(prop.additionalProperties)}`;
  if (prop.type === "integer") return prop.format ?? "int64";
  if (prop.format === "byte") return "bytes";
  return prop.type === "object" ? "raw" : (prop.type ?? "raw");
}

const discovery = Discovery.parse(
  JSON.parse(readFileSync(join(kubernetesDir, "api/discovery/aggregated_v2.json"), "utf8")),
);
const core = z
  .object({
    resources: z.array(
      z.object({
        name: z.string(),
        singularName: z.string(),
        namespaced: z.boolean(),
        kind: z.string(),
        group: z.string().optional(),
        version: z.string().optional(),
        verbs: z.array(z.string()),
        shortNames: z.array(z.string()).optional(),
        categories: z.array(z.string()).optional(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(kubernetesDir, "api/discovery/api__v1.json"), "utf8")));

const resources: string[] = [];
for (const [group, names] of Object.entries(served)) {
  const v = versionOf(group);
  for (const name of names) {
    if (group === "") {
      const found = core.resources.find((r) => r.name === name);
      if (!found) throw new Error(`no ${name} in core discovery`);
      const subresources = core.resources
        .filter((r) => r.name.startsWith(`${name}/`))
        .map((r) => ({
          name: r.name.slice(name.length + 1),
          kind: r.kind,
          ...(r.group || r.version ? { group: r.group ?? "", version: r.version ?? "" } : {}),
          verbs: r.verbs,
        }));
      resources.push(
        JSON.stringify({
          group,
          version: v,
          resource: name,
          kind: found.kind,
          singular: found.singularName,
          namespaced: found.namespaced,
          shortNames: found.shortNames ?? [],
          categories: found.categories ?? [],
          verbs: found.verbs,
          subresources,
        }),
      );
      continue;
    }
    const found = discovery.items
      .find((g) => g.metadata?.name === group)
      ?.versions.find((x) => x.version === v)
      ?.resources.find((r) => r.resource === name);
    if (!found) throw new Error(`no ${name}.${group} in discovery`);
    resources.push(
      JSON.stringify({
        group,
        version: v,
        resource: name,
        kind: found.responseKind.kind,
        singular: found.singularResource,
        namespaced: found.scope === "Namespaced",
        shortNames: found.shortNames ?? [],
        categories: found.categories ?? [],
        verbs: found.verbs,
        subresources: (found.subresources ?? []).map((s) => ({
          name: s.subresource,
          kind: s.responseKind?.kind ?? found.responseKind.kind,
          ...(s.responseKind?.group || s.responseKind?.version
            ? { group: s.responseKind.group, version: s.responseKind.version }
            : {}),
          verbs: s.verbs,
        })),
      }),
    );
  }
}

const roots = Object.keys(definitions).filter((name) => {
  const short = shortName(name);
  return (
    resources.some((line) => {
      const {
        kind,
        version: v,
        group,
      } = z.object({ kind: z.string(), version: z.string(), group: z.string() }).parse(JSON.parse(line));
      const goGroup = group === "" ? "core" : (group.split(".")[0] ?? "");
      return short === `${goGroup}.${v}.${kind}`;
    }) ||
    [
      "autoscaling.v1.Scale",
      "policy.v1.Eviction",
      "meta.v1.DeleteOptions",
      "authentication.v1.TokenRequest",
      "core.v1.Binding",
      "meta.v1.LabelSelector",
    ].includes(short)
  );
});
wanted.push(...roots);
const done = new Set<string>();
const blocks: string[] = [];
while (wanted.length > 0) {
  const name = wanted.pop() ?? "";
  const definition = definitions[name];
  if (done.has(name) || !definition) continue;
  done.add(name);
  const short = shortName(name);
  const go = new Map(goFields(short).map((field) => [field.name, field]));
  if (go.size === 0) console.error(`no Go struct for ${short}`);
  const lines = [short + (definition["x-kubernetes-map-type"] === "atomic" ? " atomic" : "")];
  for (const [field, prop] of Object.entries(definition.properties ?? {})) {
    const goField = go.get(field);
    if (!goField) console.error(`no Go field for ${short}.${field}`);
    const flags: string[] = goField?.numbers ? [`#${goField.numbers}`] : [];
    if (definition.required?.includes(field)) flags.push("required");
    if (goField?.omitempty || goField?.omitzero) flags.push(goField.omitzero ? "omitzero" : "omitempty");
    const listType = prop["x-kubernetes-list-type"];
    const listKeys = prop["x-kubernetes-list-map-keys"];
    if (listType === "map") flags.push(`list=${(listKeys ?? []).join(",")}`);
    if (listType === "set") flags.push("list=set");
    if (prop["x-kubernetes-map-type"] === "atomic") flags.push("atomic");
    const strategy = prop["x-kubernetes-patch-strategy"];
    const key = prop["x-kubernetes-patch-merge-key"];
    if (strategy) flags.push(`patch=${strategy}`);
    if (key) flags.push(`key=${key}`);
    lines.push(
      ` ${field}: ${goField?.pointer ? "*" : ""}${typeOf(prop)}${flags.length ? ` | ${flags.join(" ")}` : ""}`,
    );
  }
  blocks.push(lines.join("\n"));
}
blocks.sort();
const header = `// Generated by generate.ts from Kubernetes ${version}. Do not edit.\n`;
writeFileSync(
  join(here, "kubernetes-types.ts"),
  `${header}/** One block a type; a line a field: \`name: type | flags\`, with Go's pointers and omitempty. Read by schema.ts. */\nexport const kubernetesTypes = \`\n${blocks.join("\n")}\n\`;\n`,
);
writeFileSync(
  join(here, "kubernetes-resources.ts"),
  `${header}import type { ResourceInfo } from "./kinds.ts";\n\nexport const kubernetesVersion = ${JSON.stringify(version)};\n\nexport const builtInResources: readonly ResourceInfo[] = [\n${resources.map((r) => `  ${r},`).join("\n")}\n];\n`,
);
