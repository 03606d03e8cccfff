import { words } from "../../cards/words/index.ts";
import { parseDuration } from "../../shared/duration.ts";
import { locales } from "../../shared/locale.ts";
import { cleanLine } from "../../shared/text.ts";

/** An action wished for in plain words; what it stands for in the cluster has still to be found. */
export type Wish = { object: string; namespace: string | null } & (
  | { kind: "restart" }
  | { kind: "rollback" }
  | { kind: "scale"; replicas: number }
);

/** What a person wants. `incomplete`: a command that lacks what it is about. */
export type Intent =
  | { kind: "help" }
  | { kind: "status" }
  | { kind: "incidents" }
  | { kind: "approvals" }
  | { kind: "decide"; verdict: "approve" | "deny"; code: string; reason: string | null }
  | { kind: "claim"; about: string | null }
  | { kind: "ignore"; about: string | null; for: number | null }
  | { kind: "undo"; code: string }
  | { kind: "renew"; code: string }
  | { kind: "pause"; for: number | null; namespace: string | null; autofixOnly: boolean; reason: string }
  | { kind: "resume"; namespace: string | null }
  | { kind: "link"; code: string }
  | { kind: "kubectl"; line: string }
  | { kind: "wish"; wish: Wish }
  | { kind: "incomplete"; command: Command }
  | { kind: "question"; text: string };

/** Commands that take something after them. */
export type Command = "approve" | "deny" | "claim" | "ignore" | "undo" | "renew" | "pause" | "resume" | "link";

/** What people may type for a command, beside what cards tell them to type. */
const synonyms: Readonly<Record<Command, readonly string[]>> = {
  approve: ["同意"],
  deny: ["reject"],
  claim: [],
  ignore: [],
  undo: [],
  renew: [],
  pause: ["pause", "暂停"],
  resume: ["resume", "恢复"],
  link: ["link", "绑定"],
};
const commands: readonly (readonly [string, Command])[] = Object.entries(synonyms).flatMap(([name, more]) => {
  const command = name as Command;
  const typed: Readonly<Record<string, string>>[] = locales.map((locale) => words[locale].command);
  const shown = typed.flatMap((table) => table[command] ?? []);
  return [...shown, ...more].map((word) => [word, command] as const);
});

/** Commands only when nothing else is said: "status of checkout?" is a question. */
const alone: ReadonlyMap<string, "help" | "status" | "incidents" | "approvals"> = new Map([
  ["help", "help"],
  ["?", "help"],
  ["？", "help"],
  ["帮助", "help"],
  ["status", "status"],
  ["状态", "status"],
  ["incidents", "incidents"],
  ["alerts", "incidents"],
  ["告警", "incidents"],
  ["approvals", "approvals"],
  ["审批", "approvals"],
]);

const code = /^[A-Z0-9]{4,12}$/i;
const linkCode = /^[A-Z0-9]{8}$/i;
const name = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?";
const object = `(?<object>(?:[a-z]+[/ ])?${name})`;
const place = `(?:\\s+(?:in(?: namespace)?|-n)\\s+(?<namespace>${name}))?`;
const wishes: readonly (readonly [Wish["kind"], RegExp])[] = [
  ["restart", new RegExp(`^(?:please )?restart (?:the )?${object}${place}$`, "i")],
  ["restart", new RegExp(`^请?重启(?:一下)?\\s*${object}${place}$`, "i")],
  ["rollback", new RegExp(`^(?:please )?roll ?back (?:the )?${object}${place}$`, "i")],
  ["rollback", new RegExp(`^请?回滚(?:一下)?\\s*${object}${place}$`, "i")],
  ["scale", new RegExp(`^(?:please )?scale (?:the )?${object} to (?<replicas>\\d{1,4})(?: replicas)?${place}$`, "i")],
  [
    "scale",
    new RegExp(
      `^请?[把将]?\\s*${object}\\s*(?:扩容|缩容|伸缩)[到至]\\s*(?<replicas>\\d{1,4})\\s*(?:个副本)?${place}$`,
      "i",
    ),
  ],
];
const kubectlLine =
  /^(?:kubectl\s|rollout\s+(?:restart|undo)\s|scale\s+\S.*--replicas|set\s+(?:image|resources)\s|delete\s+(?:pods?|po)[\s/])/i;

/**
 * What somebody typed, by fixed phrases in both languages; whatever language the card was in, both are understood. A decision is taken only from
 * a message that says nothing else, so that "approve A7F3?" or "do not approve A7F3" decides nothing.
 */
export function parsePhrase(typed: string): Intent {
  const text = cleanLine(typed).slice(0, 2_000);
  const bare = text.replace(/[.!。！]+$/u, "").trim();
  const single = alone.get(bare.toLowerCase());
  if (text === "" || bare === "") return { kind: "help" };
  if (single !== undefined) return { kind: single };
  if (kubectlLine.test(text)) return { kind: "kubectl", line: text };
  const wish = wishOf(bare);
  if (wish !== null) return { kind: "wish", wish };
  const found = commandOf(bare);
  return (found === null ? null : intentOf(found.command, found.rest)) ?? { kind: "question", text };
}

/** The command a text begins with. Chinese words need no blank after them. */
function commandOf(text: string): { command: Command; rest: string } | null {
  for (const [word, command] of commands) {
    if (!text.toLowerCase().startsWith(word)) continue;
    const rest = text.slice(word.length);
    if (rest === "" || /^\s/.test(rest) || /\p{Script=Han}$/u.test(word)) return { command, rest: rest.trim() };
  }
  return null;
}

/** null: it only begins like a command. */
function intentOf(command: Command, rest: string): Intent | null {
  const [first = "", ...more] = rest === "" ? [] : rest.split(/\s+/);
  switch (command) {
    case "approve":
      if (first === "") return { kind: "incomplete", command };
      return code.test(first) && more.length === 0 ? decision("approve", first, null) : null;
    case "deny":
      if (first === "") return { kind: "incomplete", command };
      return code.test(first) ? decision("deny", first, more.length === 0 ? null : reasonOf(more.join(" "))) : null;
    case "undo":
    case "renew":
      if (first === "") return { kind: "incomplete", command };
      return code.test(first) && more.length === 0 ? { kind: command, code: first.toUpperCase() } : null;
    case "claim":
      return more.length === 0 && isName(first) ? { kind: "claim", about: first === "" ? null : first } : null;
    case "ignore": {
      const parts = rest === "" ? [] : rest.split(/\s+/);
      const last = parts.at(-1);
      const ms = last === undefined ? null : parseDuration(last);
      const about = ms === null ? parts : parts.slice(0, -1);
      return about.length <= 1 && isName(about[0] ?? "") ? { kind: "ignore", about: about[0] ?? null, for: ms } : null;
    }
    case "pause":
      return pauseOf(rest);
    case "resume": {
      const { namespace, words: left } = flagsOf(rest);
      return left.length === 0 ? { kind: "resume", namespace } : null;
    }
    case "link":
      return linkCode.test(first) && more.length === 0 ? { kind: "link", code: first.toUpperCase() } : null;
  }
}

function decision(verdict: "approve" | "deny", typed: string, reason: string | null): Intent {
  return { kind: "decide", verdict, code: typed.toUpperCase(), reason };
}

/** The id of an incident or the code of a proposal, or nothing. */
function isName(text: string): boolean {
  return text === "" || code.test(text) || /^[a-z2-7]{26}$/.test(text);
}

/** A reason that a card offers, said in words, is that reason. */
function reasonOf(text: string): string {
  for (const locale of locales) {
    const known = Object.entries(words[locale].denyReason).find(
      ([, label]) => label.toLowerCase() === text.toLowerCase(),
    );
    if (known !== undefined) return known[0];
  }
  return text;
}

/** `pause 6h -n payment --autofix-only moving the database` */
function pauseOf(rest: string): Intent {
  const { namespace, autofixOnly, words: left } = flagsOf(rest);
  const ms = left[0] === undefined ? null : parseDuration(left[0]);
  const reason = (ms === null ? left : left.slice(1)).join(" ");
  return reason === ""
    ? { kind: "incomplete", command: "pause" }
    : { kind: "pause", for: ms, namespace, autofixOnly, reason };
}

function flagsOf(rest: string): { namespace: string | null; autofixOnly: boolean; words: string[] } {
  const words = rest === "" ? [] : rest.split(/\s+/);
  let namespace: string | null = null;
  let autofixOnly = false;
  const left: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "-n" || word === "--namespace") namespace = words[++i] ?? null;
    else if (word === "--autofix-only") autofixOnly = true;
    else if (word !== "--reason" && word !== "--for") left.push(word);
  }
  return { namespace, autofixOnly, words: left };
}

function wishOf(text: string): Wish | null {
  for (const [kind, pattern] of wishes) {
    const groups = pattern.exec(text)?.groups;
    const named = groups?.["object"];
    if (named === undefined) continue;
    const about = {
      object: named.toLowerCase().replace(" ", "/"),
      namespace: groups?.["namespace"]?.toLowerCase() ?? null,
    };
    return kind === "scale" ? { kind, ...about, replicas: Number(groups?.["replicas"]) } : { kind, ...about };
  }
  return null;
}
