import type { Evidence } from "../../shared/finding.ts";
import { clean, truncate, truncateLines } from "../../shared/text.ts";
import type { Section } from "../card.ts";
import { foreign, foreignBlock, own, say } from "../text.ts";
import type { IncidentFacts, View } from "./view.ts";

const sectionsShown = 8;
const linesShown = 30;
const columns = 160;

/** The short names of evidence on a card, in the order it was taken: `E1`, `E2`. */
export function evidenceRefs(evidence: readonly Evidence[]): ReadonlyMap<string, string> {
  return new Map(evidence.map(({ id }, i) => [id, `E${i + 1}`]));
}

/** Each recorded look, folded. What findings cite comes before what they do not, when there is not room for all. */
export function evidenceSections(
  { incident, evidence }: IncidentFacts,
  refs: ReadonlyMap<string, string>,
  view: View,
): Section[] {
  const { words } = view;
  const cited = new Set(incident.diagnosis?.findings.flatMap((finding) => finding.evidence));
  const shown = new Set(
    [...evidence.filter(({ id }) => cited.has(id)), ...evidence.filter(({ id }) => !cited.has(id))].slice(
      0,
      sectionsShown,
    ),
  );
  const left = evidence.length - shown.size;
  const all = words.seeRest(`kubectl steward incidents ${incident.id}`);
  const sections = evidence
    .filter((one) => shown.has(one))
    .map((one) => evidenceSection(one, refs.get(one.id) ?? "", all, view));
  const last = sections.at(-1);
  if (left > 0 && last !== undefined) {
    const text = own(`${words.evidenceLeft(left)}${words.semicolon}${all}`);
    sections[sections.length - 1] = {
      ...last,
      note: last.note === null ? text : say`${last.note}${own(words.semicolon)}${text}`,
    };
  }
  return sections;
}

function evidenceSection({ tool, args, text, charts }: Evidence, ref: string, all: string, { words }: View): Section {
  const title = say`${own(ref)} · ${foreign("cluster", `${tool} ${describeArgs(args)}`.trim(), 120)}`;
  const chart = charts?.[0];
  if (charts !== undefined && chart !== undefined) {
    const { label, ...measured } = chart;
    const left = charts.length - 1;
    return {
      title,
      ref,
      body: { form: "series", label: foreign("cluster", label, 300), ...measured },
      note: left > 0 ? own(`${words.seriesLeft(left)}${words.semicolon}${all}`) : null,
    };
  }
  // A log is read from its newest line, everything else from its first.
  const keep = tool.endsWith("_logs") ? "end" : "start";
  const { lines, left } = truncateLines(clean(text), { lines: linesShown, columns, keep });
  return {
    title,
    ref,
    body: { form: "preformatted", text: foreignBlock("cluster", lines.join("\n")) },
    note: left > 0 ? own(`${words.linesLeft(left)}${words.semicolon}${all}`) : null,
  };
}

/** `payment pod/checkout-x previous tail=50`: the values that name something, then the switches. */
function describeArgs(args: Evidence["args"]): string {
  return Object.entries(args)
    .slice(0, 8)
    .flatMap(([name, value]) => {
      if (value === null || value === undefined || value === false || value === "") return [];
      if (value === true) return [name];
      if (typeof value === "string" && /^(namespace|name|target|kind|pod|query|resource|object)$/.test(name))
        return [truncate(value, 80)];
      return [`${name}=${truncate(typeof value === "string" ? value : (JSON.stringify(value) ?? ""), 60)}`];
    })
    .join(" ");
}
