import { readable } from "../../cards/render/drawing.ts";
import type { Finding } from "../../shared/finding.ts";
import { parseQuantity } from "../../shared/kube.ts";
import { type ContainerFacts, endOf } from "../tools/pod.ts";
import { age } from "../tools/print.ts";
import { selector } from "../tools/promql.ts";
import { limitsIn } from "../tools/revisions.ts";
import { tried } from "../tools/tool.ts";
import {
  containerWhere,
  type Explanation,
  finding,
  type Playbook,
  podsWhere,
  remedies,
  remedy,
  type Scene,
  workloadOf,
} from "./playbook.ts";
import { blamedRelease, releaseFindings, releaseRuledOut, rollbackOf, whenIs } from "./release.ts";

const wasOomKilled = (container: ContainerFacts) => endOf(container)?.reason === "OOMKilled";

export const oomKilled: Playbook = {
  name: "OOMKilled",
  recognises: (scene) => containerWhere(scene, wasOomKilled) !== null,
  async explain(scene, look) {
    const container = containerWhere(scene, wasOomKilled);
    if (container === null) throw new Error("explains what it does not recognise");
    const limit = container.limits["memory"];
    if (limit === undefined) return killedByNode(scene, container, look);
    return overLimit(scene, container, limit, await memoryOf(scene, container, limit, look));
  },
};

/** What is known of its use over time: a finding where Prometheus has it, else what could not be seen. */
async function memoryOf(
  scene: Scene,
  container: ContainerFacts,
  limit: string,
  look: Parameters<Playbook["explain"]>[1],
): Promise<{ findings: Finding[]; unseen: string[] }> {
  const { locale, namespace, pod } = scene;
  const unseen = {
    en: "Memory use over time: without it a leak cannot be told from a limit that is too low",
    "zh-CN": "内存用量曲线：没有它就分不清是泄漏还是上限过低",
  }[locale];
  if (pod === null) return { findings: [], unseen: [unseen] };
  const series = selector("container_memory_working_set_bytes", {
    namespace,
    pod: pod.name,
    container: container.name,
  });
  const seen = await tried(
    "prometheus",
    [],
    look("prometheus_query", { query: `max by (pod, container) (${series})`, range: "1h" }),
  );
  const chart = seen?.data.charts[0];
  if (seen === null || chart === undefined) return { findings: [], unseen: [unseen] };
  const [median, max] = [chart.median, chart.max].map((value) => `${readable(value)}${chart.unit}`);
  return {
    findings: [
      finding(
        {
          en: `In the last hour it used ${median} in the middle and ${max} at the most, of ${limit}`,
          "zh-CN": `最近 1 小时内存用量中位 ${median}，最高 ${max}，上限 ${limit}`,
        }[locale],
        seen.evidence.id,
      ),
    ],
    unseen: [],
  };
}

function overLimit(
  scene: Scene,
  container: ContainerFacts,
  limit: string,
  memory: { findings: readonly Finding[]; unseen: readonly string[] },
): Explanation {
  const { locale, describeId, historyId, namespace, target } = scene;
  const doubled = doubleQuantity(limit);
  const workload = workloadOf(scene);
  const release = blamedRelease(scene);
  const lowered = scene.revisions.length < 2 ? null : loweredFrom(scene, container.name, limit);
  const raised = lowered === null ? raisedFrom(scene, container.name, limit) : null;
  const raise =
    workload === null || doubled === null || container.init
      ? null
      : remedy({
          kind: "setResources",
          namespace,
          target: workload,
          container: container.name,
          limits: { memory: doubled },
        });
  const change = scene.revisions.at(-1);
  return {
    cause: "OOMKilled",
    confidence: raised === null ? "high" : "medium",
    conclusion: {
      en: `Container ${container.name} of ${target} needs more memory than its limit of ${limit} and is killed by the kernel (OOMKilled)`,
      "zh-CN": `${target} 的容器 ${container.name} 需要的内存超过其上限 ${limit}，被内核杀死（OOMKilled）`,
    }[locale],
    findings: [
      killings(scene, container),
      finding(
        {
          en: `Its memory limit is ${limit}, its request ${container.requests["memory"] ?? "none"}`,
          "zh-CN": `内存上限 ${limit}，请求 ${container.requests["memory"] ?? "未设置"}`,
        }[locale],
        describeId,
      ),
      ...memory.findings,
      ...(lowered === null
        ? []
        : [
            finding(
              {
                en: `Revision ${change?.number} lowered the limit from ${lowered} to ${limit} (${whenIs(change?.at ?? null, scene)})`,
                "zh-CN": `版本 ${change?.number} 把上限从 ${lowered} 降到 ${limit}（${whenIs(change?.at ?? null, scene)}）`,
              }[locale],
              historyId,
            ),
          ]),
      ...(raised === null
        ? []
        : [
            finding(
              {
                en: `The limit was already raised from ${raised} to ${limit} (${whenIs(change?.at ?? null, scene)}); if its use keeps growing, it leaks, and more memory only buys time`,
                "zh-CN": `上限已从 ${raised} 提到 ${limit}（${whenIs(change?.at ?? null, scene)}）；如果用量持续上涨，则是内存泄漏，加内存只能拖延`,
              }[locale],
              historyId,
            ),
          ]),
      ...(release === null || lowered !== null ? [] : releaseFindings(scene, release)),
    ],
    ruledOut: [
      {
        en: "A bad image or start command: the program starts and runs each time",
        "zh-CN": "镜像或启动命令错误：程序每次都能启动运行",
      }[locale],
      ...releaseRuledOut(scene, release),
    ],
    unseen: [...memory.unseen],
    remedies: remedies(raise, changesImage(release?.changes) ? rollbackOf(scene, release) : null),
  };
}

/** Without a limit of its own it was the node that ran out, or another limit around it; more of nothing helps nobody. */
async function killedByNode(
  scene: Scene,
  container: ContainerFacts,
  look: Parameters<Playbook["explain"]>[1],
): Promise<Explanation> {
  const { locale, pod } = scene;
  const node = pod?.node ?? null;
  const unseen: string[] = [];
  const seen =
    node === null ? null : await tried(`node/${node}`, unseen, look("kubectl_describe", { target: `node/${node}` }));
  return {
    cause: "OOMKilled",
    confidence: "medium",
    conclusion: {
      en: `Container ${container.name} of ${scene.target} was killed for lack of memory although it has no limit: node ${node ?? "?"} ran out`,
      "zh-CN": `${scene.target} 的容器 ${container.name} 没有内存上限却因缺内存被杀：节点 ${node ?? "?"} 内存不足`,
    }[locale],
    findings: [
      killings(scene, container),
      finding({ en: "It has no memory limit", "zh-CN": "它没有设置内存上限" }[locale], scene.describeId),
      ...(seen === null
        ? []
        : [finding({ en: `State of node ${node}`, "zh-CN": `节点 ${node} 的状态` }[locale], seen.evidence.id)]),
    ],
    ruledOut: [],
    unseen: [
      ...unseen,
      {
        en: "Which program on the node used the memory; set a request and a limit once its need is known",
        "zh-CN": "节点上是谁用掉了内存；弄清需要后应设置请求和上限",
      }[locale],
    ],
    remedies: [],
  };
}

function killings(scene: Scene, container: ContainerFacts) {
  const end = endOf(container);
  const hit = podsWhere(scene, (other) => other.name === container.name && wasOomKilled(other)).length;
  const total = scene.described.pods.filter(({ deleting }) => !deleting).length;
  const ran = end?.startedAt == null || end.finishedAt === null ? "?" : age(end.startedAt, end.finishedAt);
  return finding(
    {
      en: `OOMKilled with exit ${end?.exitCode} in ${hit} of ${total} pods, the last time after running ${ran}, ${container.restarts} restarts`,
      "zh-CN": `${total} 个 Pod 中 ${hit} 个被 OOMKilled，退出码 ${end?.exitCode}，最近一次运行 ${ran} 后被杀，已重启 ${container.restarts} 次`,
    }[scene.locale],
    scene.describeId,
  );
}

/** Twice as much, in the largest unit that leaves a whole number; null for what is no quantity. */
function doubleQuantity(text: string): string | null {
  const value = parseQuantity(text);
  if (value === null || value <= 0) return null;
  const twice = Math.round(value * 2);
  const binary: readonly (readonly [string, number])[] = [
    ["Ti", 2 ** 40],
    ["Gi", 2 ** 30],
    ["Mi", 2 ** 20],
    ["Ki", 2 ** 10],
  ];
  const decimal: readonly (readonly [string, number])[] = [
    ["T", 1e12],
    ["G", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ];
  const unit = (/i$/.test(text) ? binary : decimal).find(([, size]) => twice % size === 0);
  return unit === undefined ? String(twice) : `${twice / unit[1]}${unit[0]}`;
}

function limitBefore(scene: Scene, container: string): string | null {
  const before = scene.revisions.at(-2);
  return before === undefined ? null : (limitsIn(before.template, container)["memory"] ?? null);
}

function loweredFrom(scene: Scene, container: string, limit: string): string | null {
  const before = limitBefore(scene, container);
  return before !== null && (parseQuantity(before) ?? 0) > (parseQuantity(limit) ?? 0) ? before : null;
}

/** Only a raise of the last day says something of this incident. */
function raisedFrom(scene: Scene, container: string, limit: string): string | null {
  const before = limitBefore(scene, container);
  const at = scene.revisions.at(-1)?.at ?? null;
  const fresh = at !== null && scene.now.getTime() - at.getTime() < 86_400_000;
  return fresh && before !== null && (parseQuantity(before) ?? 0) < (parseQuantity(limit) ?? 0) ? before : null;
}

/** A release of another image may itself need the memory; one of settings is told by its own finding. */
function changesImage(changes: readonly string[] | undefined): boolean {
  return changes?.some((change) => /\]\.image: /.test(change)) ?? false;
}
