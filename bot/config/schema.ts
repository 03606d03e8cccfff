import { z } from "zod";
import { signingKeyOf } from "../../shared/checkpoint.ts";
import { Rule } from "../../shared/policy.ts";
import { Channels } from "./channels.ts";
import {
  count,
  duration,
  durationOrZero,
  locale,
  namespaceName,
  optionalText,
  optionalUrl,
  text,
  timezone,
  url,
} from "./fields.ts";

const role = z.enum(["viewer", "approver", "admin"]);
const decider = z.enum(["approver", "admin"]);

const webhook = z
  .strictObject({
    /** One token or a list of them, so that a new one can be rolled out before the old one goes. */
    bearerToken: z
      .preprocess((given) => (typeof given === "string" ? [given] : (given ?? [])), z.array(text))
      .prefault([]),
    basic: z.strictObject({ username: text, password: text }).nullable().default(null),
    hmacSecret: optionalText,
    insecure: z.boolean().default(false),
  })
  .prefault({})
  .refine(
    (given) => given.insecure || given.bearerToken.length > 0 || given.basic !== null || given.hmacSecret !== null,
    {
      message:
        "has no credential: set bearerToken, basic or hmacSecret (or insecure: true, and anybody can raise alerts)",
    },
  );

/** The whole of SPEC 5: every key with its default. Durations come out in milliseconds. */
export const ConfigSchema = z.strictObject({
  cluster: z
    .strictObject({
      name: text.default("kubernetes"),
      kubeconfig: optionalText,
      context: optionalText,
      identities: z.strictObject({ read: optionalText, act: optionalText }).prefault({}),
    })
    .prefault({}),
  locale: locale.default("zh-CN"),
  timezone: timezone.default("Asia/Shanghai"),
  data: text.default("./data"),
  http: z
    .strictObject({
      host: text.default("0.0.0.0"),
      port: z.int().min(0).max(65_535).default(8080),
      publicUrl: optionalUrl,
      tls: z.strictObject({ cert: text, key: text }).nullable().default(null),
    })
    .prefault({}),
  webhook,
  queue: z.strictObject({ capacity: count(1).default(10_000), workers: count(1).default(4) }).prefault({}),
  model: z
    .strictObject({
      baseUrl: url,
      apiKey: optionalText,
      name: text,
      maxSteps: count(1).default(16),
      maxTokens: count(1).default(60_000),
      contextTokens: count(1).default(32_000),
      timeout: duration.prefault("120s"),
      dailyTokens: count(1).nullable().default(null),
    })
    .nullable()
    .default(null),
  sources: z
    .strictObject({
      prometheus: z.strictObject({ url, bearerToken: optionalText }).nullable().default(null),
      loki: z.strictObject({ url, tenant: optionalText, bearerToken: optionalText }).nullable().default(null),
      alertmanager: z.strictObject({ url }).nullable().default(null),
      k8sgpt: z
        .strictObject({ command: optionalText, resultResources: z.enum(["auto", "off"]).default("auto") })
        .prefault({}),
    })
    .prefault({}),
  channels: Channels.prefault({}),
  cards: z.strictObject({ linkHosts: z.array(text).default(["runbooks.prometheus-operator.dev"]) }).prefault({}),
  policy: z.strictObject({ file: optionalText, rules: z.array(Rule).prefault([]) }).prefault({}),
  safety: z
    .strictObject({
      maxAutoFixesPerHour: count(0).default(3),
      protectedNamespaces: z.array(namespaceName).default(["kube-public", "kube-node-lease"]),
      protectionKey: text.default("protection"),
      autofixNamespaces: z.array(namespaceName).default([]),
      maxAffectedPods: count(1).default(50),
      gitops: z.enum(["refuse", "warn"]).default("refuse"),
    })
    .prefault({}),
  approval: z
    .strictObject({
      roles: z.array(decider).min(1, "must name at least one role").default(["admin"]),
      approvals: count(1).default(1),
      selfApproval: z.boolean().default(true),
      ttl: duration.prefault("15m"),
      incidentTtl: duration.prefault("2h"),
    })
    .prefault({}),
  verify: z.strictObject({ timeout: duration.prefault("10m"), settle: durationOrZero.prefault("60s") }).prefault({}),
  auth: z
    .strictObject({
      sessionTtl: duration.prefault("12h"),
      unlinked: z.enum(["viewer", "none"]).default("viewer"),
      oidc: z
        .strictObject({
          issuer: url,
          clientId: text,
          usernameClaim: text.default("preferred_username"),
          groupsClaim: text.default("groups"),
          roles: z.record(text, role).default({}),
        })
        .nullable()
        .default(null),
    })
    .prefault({}),
  audit: z
    .strictObject({
      signingKey: text
        .refine(
          (given) => signingKeyOf(given) !== null,
          "must be an Ed25519 private key in PEM, or a secret of at least 16 characters",
        )
        .nullable()
        .default(null),
      checkpoints: z.strictObject({ stdout: z.boolean().default(true), configMap: optionalText }).prefault({}),
    })
    .prefault({}),
  backup: z
    .strictObject({ every: duration.nullable().prefault("24h"), keep: count(1).default(7), dir: optionalText })
    .prefault({}),
  retention: z.strictObject({ incidents: duration.prefault("90d"), audit: duration.prefault("365d") }).prefault({}),
});
