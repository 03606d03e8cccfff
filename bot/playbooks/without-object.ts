import type { Locale } from "../../shared/locale.ts";
import type { Seen, ToolRun } from "../tools/index.ts";
import { tried } from "../tools/tool.ts";
import { type Explanation, finding } from "./playbook.ts";

/**
 * An alert that names no object: what happened around it, and what its own expression measures, is all there is to see. `namespace` is null for an
 * alert about the whole cluster, `expression` where it is not known.
 */
export async function lookAround(
  { namespace, expression }: { namespace: string | null; expression: string | null },
  look: ToolRun["look"],
  locale: Locale,
): Promise<Explanation> {
  const unseen: string[] = [];
  const place = namespace ?? { en: "the cluster", "zh-CN": "集群" }[locale];
  const kept = async (looking: Promise<Seen<unknown>>) => (await looking).evidence;
  const looks =
    namespace === null
      ? [kept(look("kubectl_get", { resource: "nodes" }))]
      : [kept(look("kubectl_events", { namespace, type: "Warning" })), kept(look("recent_changes", { namespace }))];
  const measure = { en: "What the alert's own expression measures", "zh-CN": "告警表达式本身所度量的指标" }[locale];
  const [measured, ...seen] = await Promise.all([
    expression === null
      ? null
      : tried(measure, unseen, kept(look("prometheus_query", { query: expression, range: "1h" }))),
    ...looks.map((one) => tried(place, unseen, one)),
  ]);
  return {
    ...nothing,
    conclusion: { en: "The alert names no object that Steward could look at", "zh-CN": "告警没有指明可查看的对象" }[
      locale
    ],
    findings: [
      ...(measured === null
        ? []
        : [
            finding(
              { en: `${measure}, over the last hour`, "zh-CN": `${measure}（最近 1 小时）` }[locale],
              measured.id,
            ),
          ]),
      ...seen.flatMap((one) =>
        one === null
          ? []
          : [
              finding(
                { en: `Looked at ${place} (${one.tool})`, "zh-CN": `查看了 ${place}（${one.tool}）` }[locale],
                one.id,
              ),
            ],
      ),
    ],
    unseen: [...unseen, ...(expression === null ? [measure] : [])],
  };
}

/** The object is known and could not be read. */
export function unreadable(target: string, unseen: readonly string[], locale: Locale): Explanation {
  return {
    ...nothing,
    conclusion: {
      en: `${target} could not be looked at: the cluster did not let itself be read`,
      "zh-CN": `无法查看 ${target}：集群未能读取`,
    }[locale],
    findings: [],
    unseen: [...unseen],
  };
}

const nothing = { cause: null, confidence: "low", ruledOut: [], remedies: [] } satisfies Partial<Explanation>;
