import { displayWidth, wrap } from "../../shared/text.ts";
import { age, approvalTone, describeApproval, severityTone, until } from "../commands/views.ts";
import type { Paint } from "../output.ts";
import type { Size } from "../terminal.ts";
import { type Item, selectedItem, type WatchState } from "./state.ts";

/** The screen as lines, none wider or more than fit. Every text in `state` is clean already. */
export function render(state: WatchState, where: string, size: Size, now: Date, paint: Paint): string[] {
  const { columns, rows } = size;
  const room = Math.max(3, rows - 4);
  const listRoom = Math.min(state.items.length, Math.max(3, Math.floor(room / 2)));
  const at = Math.max(
    0,
    state.items.findIndex(({ id }) => id === state.selected),
  );
  const first = Math.max(0, Math.min(at - Math.floor(listRoom / 2), state.items.length - listRoom));
  const list = state.items
    .slice(first, first + listRoom)
    .map((item) => row(item, item.id === state.selected, columns, now, paint));
  const detail = detailLines(state, columns, now, paint).slice(0, Math.max(0, room - list.length - 1));
  return [
    header(state, where, columns, paint),
    "",
    ...(list.length === 0 ? [paint("quiet", fit("Nothing waits and nothing fires.", columns))] : list),
    paint("quiet", "─".repeat(columns)),
    ...detail,
    ...Array.from({ length: Math.max(0, room - list.length - 1 - detail.length) }, () => ""),
    footer(state, columns, paint),
  ].slice(0, rows);
}

function header({ items }: WatchState, where: string, columns: number, paint: Paint): string {
  const waiting = items.filter((item) => item.kind === "approval" && item.approval.state === "pending").length;
  const firing = items.filter(({ kind }) => kind === "incident").length;
  return paint("strong", fit(`Steward  ${waiting} waiting, ${firing} firing  ${where}`, columns));
}

function row(item: Item, selected: boolean, columns: number, now: Date, paint: Paint): string {
  const pointer = selected ? "›" : " ";
  if (item.kind === "incident") {
    const { severity, namespace, target, alertname, startedAt } = item.incident;
    const about = [namespace, target].filter(Boolean).join("/");
    const text = `${pointer} ${pad(severity, 22)}${pad(age(startedAt, now), 16)}${alertname}  ${about}`;
    return paint(selected ? "strong" : severityTone(severity), fit(text, columns));
  }
  const { code, state, summary, namespace, expiresAt, createdAt } = item.approval;
  const when = state === "pending" ? `ends ${until(expiresAt, now)}` : age(createdAt, now);
  const text = `${pointer} ${pad(code, 10)}${pad(state, 12)}${pad(when, 16)}${namespace === null ? "" : `${namespace}: `}${summary}`;
  return paint(selected ? "strong" : approvalTone(state), fit(text, columns));
}

function detailLines(state: WatchState, columns: number, now: Date, paint: Paint): string[] {
  const item = selectedItem(state);
  if (item === null) return [];
  // Painted lines cannot be measured: the plain ones are broken first, and only colourless.
  const plain: Paint = (_tone, text) => text;
  const lines =
    item.kind === "approval"
      ? describeApproval(item.approval, now, plain)
      : [
          `${item.incident.alertname}  ${item.incident.id}`,
          item.incident.diagnosis?.conclusion ?? "No diagnosis yet.",
          ...(item.incident.diagnosis?.findings.map(({ text }) => `  ${text}`) ?? []),
        ];
  return lines
    .flatMap((line) => wrap(line, columns))
    .map((line) => paint(line.startsWith("  +") ? "good" : line.startsWith("  -") ? "bad" : null, line));
}

function footer({ mode, message, bad }: WatchState, columns: number, paint: Paint): string {
  switch (mode.kind) {
    case "confirm":
      return paint(
        "warning",
        fit(`${mode.wish === "approve" ? "Approve" : "Ask to undo"} ${mode.code}? y, or any other key`, columns),
      );
    case "reason":
      return paint("warning", fit(`Deny ${mode.code}, because (Enter, Esc to leave it): ${mode.text}`, columns));
    case "browse":
      if (message !== "") return paint(bad ? "bad" : "good", fit(message.split("\n")[0] ?? "", columns));
      return paint("quiet", fit("↑↓ select  a approve  d deny  u undo  r renew  q quit", columns));
  }
}

function pad(text: string, width: number): string {
  const cut = fit(text, width - 1);
  return cut + " ".repeat(Math.max(1, width - displayWidth(cut)));
}

/** The beginning of a line that fits the columns. */
function fit(line: string, columns: number): string {
  const flat = line.replace(/\s*\n\s*/g, " ").replaceAll("\t", " ");
  if (displayWidth(flat) <= columns) return flat;
  let cut = "";
  for (const point of flat) {
    if (displayWidth(cut + point) > columns - 1) break;
    cut += point;
  }
  return `${cut}…`;
}
