import { field, parseQuantity } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import { truncate } from "../../shared/text.ts";
import type { ToolRun } from "../tools/index.ts";
import { type PodFacts, quantities } from "../tools/pod.ts";
import { tried } from "../tools/tool.ts";
import { type Explanation, eventsWhere, finding, type Playbook, remedies, type Scene } from "./playbook.ts";
import { blamedRelease, releaseConfidence, releaseFindings, releaseRuledOut, rollbackOf } from "./release.ts";

interface Obstacle {
  name: string;
  pattern: RegExp;
  says: Readonly<Record<Locale, string>>;
  /** Whether it lies in what the pod asks for, so that asking as before helps. */
  inSpec: boolean;
}

/** The words of the scheduler's plugins. Source: k8s.io/kubernetes pkg/scheduler/framework/plugins (ErrReason…). */
const obstacles: readonly Obstacle[] = [
  {
    name: "Insufficient memory",
    pattern: /Insufficient memory/,
    says: { en: "no node has enough free memory for what it requests", "zh-CN": "没有节点剩下足够的内存满足其请求" },
    inSpec: true,
  },
  {
    name: "Insufficient cpu",
    pattern: /Insufficient cpu/,
    says: { en: "no node has enough free CPU for what it requests", "zh-CN": "没有节点剩下足够的 CPU 满足其请求" },
    inSpec: true,
  },
  {
    name: "Insufficient resource",
    pattern: /Insufficient ([\w./-]+)/,
    says: { en: "no node has enough of a resource it requests", "zh-CN": "没有节点有足够的所需资源" },
    inSpec: true,
  },
  {
    name: "Too many pods",
    pattern: /Too many pods/,
    says: { en: "the nodes run as many pods as they may", "zh-CN": "节点上的 Pod 数已达上限" },
    inSpec: false,
  },
  {
    name: "Unbound volume claim",
    pattern:
      /unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]+" not found|didn't find available persistent volumes|node\(s\) had volume node affinity conflict|had no available volume zone/,
    says: {
      en: "a volume it needs is not bound, or lies in another zone",
      "zh-CN": "所需存储卷未绑定，或在其他可用区",
    },
    inSpec: false,
  },
  {
    name: "Node affinity",
    pattern: /didn't match Pod's node affinity\/selector|didn't match pod affinity rules|node affinity/,
    says: { en: "no node fits its node selector or affinity", "zh-CN": "没有节点符合其节点选择器或亲和性" },
    inSpec: true,
  },
  {
    name: "Anti-affinity",
    pattern: /anti-affinity rules|topology spread constraints/,
    says: { en: "its rules to stay apart from others leave no node", "zh-CN": "反亲和或拓扑分布约束排除了所有节点" },
    inSpec: true,
  },
  {
    name: "Host port",
    pattern: /didn't have free ports/,
    says: { en: "its host port is taken on every node", "zh-CN": "所需主机端口在各节点上均被占用" },
    inSpec: true,
  },
  {
    name: "Taints",
    pattern: /untolerated taint/,
    says: { en: "every node left has a taint it does not tolerate", "zh-CN": "剩余节点都有它不容忍的污点" },
    inSpec: false,
  },
  {
    name: "Unschedulable nodes",
    pattern: /were unschedulable/,
    says: { en: "the nodes left are cordoned", "zh-CN": "剩余节点已被标记为不可调度" },
    inSpec: false,
  },
];

export const pending: Playbook = {
  name: "Unschedulable",
  recognises: ({ pod }) => pod?.unscheduled != null && pod.phase === "Pending",
  async explain(scene, look) {
    const { pod } = scene;
    if (pod?.unscheduled == null) throw new Error("explains what it does not recognise");
    return explainPending(scene, pod, pod.unscheduled, look);
  },
};

async function explainPending(
  scene: Scene,
  pod: PodFacts,
  { reason, message }: { reason: string; message: string },
  look: ToolRun["look"],
): Promise<Explanation> {
  const { locale, describeId, target } = scene;
  const newest = message || (eventsWhere(scene, /^FailedScheduling$/)[0]?.message ?? "");
  const found = obstacles
    .filter(({ pattern }) => pattern.test(newest))
    .filter(({ name }, _, all) => name !== "Insufficient resource" || all.length === 1);
  const main = mainObstacle(found, newest);
  const unseen: string[] = [];
  const nodes = await tried(
    { en: "Nodes", "zh-CN": "节点" }[locale],
    unseen,
    look("kubectl_get", { resource: "nodes" }),
  );
  const wanted = requested(pod);
  const tooBig = main === null ? null : await biggerThanAnyNode(main, wanted, nodes?.data.names ?? [], look, unseen);
  const claims =
    main?.name === "Unbound volume claim"
      ? await tried(
          { en: "Volume claims", "zh-CN": "存储卷声明" }[locale],
          unseen,
          look("kubectl_get", { resource: "persistentvolumeclaims", namespace: pod.namespace }),
        )
      : null;
  const release = blamedRelease(scene);
  const changed =
    release?.changes.some((change) =>
      /requests|affinity|nodeSelector|tolerations|topologySpread|hostPort|volumes/i.test(change),
    ) ?? false;
  const rollback = changed && main?.inSpec === true ? rollbackOf(scene, release) : null;
  const gated = reason === "SchedulingGated";
  return {
    cause: main === null ? "Unschedulable" : `Unschedulable: ${main.name}`,
    confidence: main === null ? "low" : rollback !== null && release !== null ? releaseConfidence(release) : "high",
    conclusion:
      main === null
        ? {
            en: gated
              ? `Pods of ${target} wait for a scheduling gate to be lifted`
              : `Pods of ${target} are not scheduled; the scheduler's reason could not be read`,
            "zh-CN": gated
              ? `${target} 的 Pod 在等待调度门控解除`
              : `${target} 的 Pod 未被调度，未能读到调度器给出的原因`,
          }[locale]
        : {
            en: `Pods of ${target} are not scheduled: ${tooBig?.en ?? main.says.en}`,
            "zh-CN": `${target} 的 Pod 未被调度：${tooBig?.["zh-CN"] ?? main.says["zh-CN"]}`,
          }[locale],
    findings: [
      ...(newest === ""
        ? []
        : [
            finding(
              { en: `The scheduler says: ${truncate(newest, 300)}`, "zh-CN": `调度器提示：${truncate(newest, 300)}` }[
                locale
              ],
              describeId,
            ),
          ]),
      finding(
        {
          en: `The pod requests cpu ${wanted.cpu ?? "none"}, memory ${wanted.memory ?? "none"}`,
          "zh-CN": `该 Pod 请求 CPU ${wanted.cpu ?? "未设置"}，内存 ${wanted.memory ?? "未设置"}`,
        }[locale],
        describeId,
      ),
      ...(tooBig === null ? [] : [finding(tooBig[locale], ...tooBig.ids)]),
      ...(claims === null
        ? []
        : [
            finding(
              { en: "The volume claims of the namespace", "zh-CN": "该命名空间的存储卷声明" }[locale],
              claims.evidence.id,
            ),
          ]),
      ...(release !== null && changed ? releaseFindings(scene, release) : []),
    ],
    ruledOut: [
      { en: "The program and its image: nothing was started yet", "zh-CN": "程序与镜像：尚未启动" }[locale],
      ...releaseRuledOut(scene, release),
    ],
    unseen: [
      ...unseen,
      ...(main !== null && /^Insufficient/.test(main.name) && tooBig === null
        ? [
            {
              en: "What the other pods of the nodes request in sum, and whether a node could be added",
              "zh-CN": "节点上其他 Pod 的请求总和，以及能否增加节点",
            }[locale],
          ]
        : []),
    ],
    remedies: remedies(rollback),
  };
}

/** With several, the one that stops it on most nodes. */
function mainObstacle(found: readonly Obstacle[], message: string): Obstacle | null {
  const count = ({ pattern }: Obstacle) =>
    Number(new RegExp(`(\\d+) (?:node\\(s\\) )?[^,.]{0,80}?(?:${pattern.source})`).exec(message)?.[1] ?? 0);
  return [...found].sort((a, b) => count(b) - count(a))[0] ?? null;
}

interface Wanted {
  cpu: string | null;
  memory: string | null;
}

function requested(pod: PodFacts): Wanted {
  const sum = (name: "cpu" | "memory") => {
    const amounts = pod.containers
      .filter(({ init }) => !init)
      .map(({ requests }) => parseQuantity(requests[name] ?? "0") ?? 0);
    return amounts.reduce((a, b) => a + b, 0);
  };
  const [cpu, memory] = [sum("cpu"), sum("memory")];
  return {
    cpu: cpu === 0 ? null : cpu < 1 ? `${Math.round(cpu * 1_000)}m` : String(Math.round(cpu * 100) / 100),
    memory: memory === 0 ? null : `${Math.round(memory / 2 ** 20)}Mi`,
  };
}

const mostNodes = 5;

/** Whether the request is more than a whole node has, which no clearing away would mend. Only where all nodes can be looked at. */
async function biggerThanAnyNode(
  main: Obstacle,
  wanted: Wanted,
  nodes: readonly string[],
  look: ToolRun["look"],
  unseen: string[],
) {
  const resource = main.name === "Insufficient cpu" ? "cpu" : main.name === "Insufficient memory" ? "memory" : null;
  const want = resource === null ? null : wanted[resource];
  if (resource === null || want === null || nodes.length === 0 || nodes.length > mostNodes) return null;
  const seen = await Promise.all(
    nodes.map((name) => tried(`node/${name}`, unseen, look("kubectl_describe", { target: `node/${name}` }))),
  );
  const have = seen.map((one) => quantities(field(one?.data.object, "status", "allocatable"))[resource] ?? null);
  const amounts = have.map((text) => (text === null ? null : parseQuantity(text)));
  const needed = parseQuantity(want);
  if (needed === null || amounts.some((amount) => amount === null || amount >= needed)) return null;
  const biggest = have.reduce((a, b) => ((parseQuantity(a ?? "") ?? 0) > (parseQuantity(b ?? "") ?? 0) ? a : b), null);
  return {
    en: `it requests ${resource} ${want}, more than any node has (the largest: ${biggest})`,
    "zh-CN": `它请求 ${resource} ${want}，超过任何一个节点的总量（最大 ${biggest}）`,
    ids: seen.map((one) => one?.evidence.id ?? null),
  };
}
