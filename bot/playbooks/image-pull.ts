import type { Locale } from "../../shared/locale.ts";
import { truncate } from "../../shared/text.ts";
import type { ContainerFacts } from "../tools/pod.ts";
import {
  containerWhere,
  type Explanation,
  eventsWhere,
  finding,
  type Playbook,
  podsWhere,
  remedies,
  type Scene,
} from "./playbook.ts";
import { blamedRelease, releaseConfidence, releaseFindings, releaseRuledOut, rollbackOf } from "./release.ts";

const reasons = new Set([
  "ImagePullBackOff",
  "ErrImagePull",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
  "RegistryUnavailable",
]);
const cannotPull = ({ waiting }: ContainerFacts) => waiting !== null && reasons.has(waiting.reason);

type Fault = "not_found" | "denied" | "rate_limit" | "unreachable" | "platform" | "name" | "never";

interface Kind {
  fault: Fault;
  pattern: RegExp;
  /** Whether another image reference would help, so that going back is a remedy. */
  byImage: boolean;
  says: Readonly<Record<Locale, string>>;
}

/** In the words of containerd, CRI-O, Docker and the registries. The order decides: a registry that hides what it refuses says both. */
const kinds: readonly Kind[] = [
  {
    fault: "rate_limit",
    pattern: /toomanyrequests|rate limit|429/i,
    byImage: false,
    says: {
      en: "the registry limits how often it is asked; the kubelet tries again by itself",
      "zh-CN": "镜像仓库限流；kubelet 会自行重试",
    },
  },
  {
    fault: "unreachable",
    pattern:
      /i\/o timeout|no such host|connection refused|connection reset|tls handshake|x509|server misbehaving|network is unreachable|context deadline exceeded|EOF$|50[234]\b/i,
    byImage: false,
    says: { en: "the registry cannot be reached from the node", "zh-CN": "节点连不上镜像仓库" },
  },
  {
    fault: "denied",
    pattern:
      /unauthorized|authentication required|authorization failed|no basic auth credentials|403 forbidden|denied/i,
    byImage: false,
    says: {
      en: "the registry refuses: the pull secret is missing or wrong, or the repository does not exist",
      "zh-CN": "镜像仓库拒绝访问：拉取凭据缺失或错误，或者仓库不存在",
    },
  },
  {
    fault: "platform",
    pattern: /no match(?:ing manifest)? for (?:platform|linux)|exec format/i,
    byImage: true,
    says: { en: "the image is not built for this node's processor", "zh-CN": "镜像没有为该节点的处理器架构构建" },
  },
  {
    fault: "not_found",
    pattern: /not found|manifest unknown|name unknown|does not exist|NotFound/i,
    byImage: true,
    says: { en: "the registry has no such image or tag", "zh-CN": "镜像仓库中没有这个镜像或标签" },
  },
  {
    fault: "name",
    pattern: /invalid reference format|couldn't parse image|InvalidImageName/i,
    byImage: true,
    says: { en: "the image reference is not valid", "zh-CN": "镜像引用不合法" },
  },
  {
    fault: "never",
    pattern: /ErrImageNeverPull|pull policy of Never/i,
    byImage: true,
    says: {
      en: "the image is not on the node and its policy is never to pull",
      "zh-CN": "节点上没有该镜像，而拉取策略为 Never",
    },
  },
];

export const imagePull: Playbook = {
  name: "ImagePullBackOff",
  recognises: (scene) => containerWhere(scene, cannotPull) !== null,
  explain: async (scene) => explainPull(scene),
};

function explainPull(scene: Scene): Explanation {
  const container = containerWhere(scene, cannotPull);
  if (container === null) throw new Error("explains what it does not recognise");
  const { locale, describeId, target } = scene;
  const failures = eventsWhere(scene, /^(?:Failed|ErrImageNeverPull|InspectFailed)$/, /image/i);
  const said = [
    container.waiting?.message ?? "",
    container.waiting?.reason ?? "",
    ...failures.map(({ message }) => message),
  ];
  const kind = kinds.find(({ pattern }) => said.some((words) => pattern.test(words)));
  const words = said.find((text) => kind?.pattern.test(text)) ?? said.find((text) => text !== "") ?? "";
  const noSecret = eventsWhere(scene, /^FailedToRetrieveImagePullSecret$/)[0];
  const release = blamedRelease(scene);
  const newImage = release?.changes.some((change) => change.includes(`[${container.name}].image`)) ?? false;
  // A tag that is gone or misspelt, or a new repository that refuses: the image of before still can be had.
  const byRelease = newImage && (kind?.byImage === true || kind?.fault === "denied");
  const rollback = byRelease ? rollbackOf(scene, release) : null;
  const hit = podsWhere(scene, (other) => other.name === container.name && cannotPull(other)).length;
  const total = scene.described.pods.filter(({ deleting }) => !deleting).length;
  return {
    cause: "ImagePullBackOff",
    confidence:
      kind === undefined
        ? "low"
        : byRelease && release !== null && rollback !== null
          ? releaseConfidence(release)
          : kind.fault === "denied"
            ? "medium"
            : "high",
    conclusion:
      kind === undefined
        ? {
            en: `The image ${container.image} of ${target} cannot be pulled; the registry's reason could not be read`,
            "zh-CN": `${target} 的镜像 ${container.image} 拉取失败，未能读到原因`,
          }[locale]
        : {
            en: `The image ${container.image} of ${target} cannot be pulled: ${kind.says.en}`,
            "zh-CN": `${target} 的镜像 ${container.image} 拉取失败：${kind.says["zh-CN"]}`,
          }[locale],
    findings: [
      finding(
        {
          en: `Container ${container.name} waits with ${container.waiting?.reason} in ${hit} of ${total} pods`,
          "zh-CN": `容器 ${container.name} 处于 ${container.waiting?.reason}，${total} 个 Pod 中 ${hit} 个如此`,
        }[locale],
        describeId,
      ),
      ...(words === ""
        ? []
        : [
            finding(
              { en: `The kubelet says: ${truncate(words, 300)}`, "zh-CN": `kubelet 提示：${truncate(words, 300)}` }[
                locale
              ],
              describeId,
            ),
          ]),
      ...(noSecret === undefined
        ? []
        : [
            finding(
              { en: `The pull secret is missing: ${noSecret.message}`, "zh-CN": `拉取凭据缺失：${noSecret.message}` }[
                locale
              ],
              describeId,
            ),
          ]),
      ...(release === null ? [] : releaseFindings(scene, release)),
    ],
    ruledOut: [
      { en: "The program itself: it has not started", "zh-CN": "程序本身：它还没有启动" }[locale],
      ...releaseRuledOut(scene, release),
    ],
    unseen:
      kind === undefined
        ? [
            {
              en: "The registry's answer: no event of it is kept any more",
              "zh-CN": "镜像仓库的答复：相关事件已不再保留",
            }[locale],
          ]
        : [],
    remedies: remedies(rollback),
  };
}
