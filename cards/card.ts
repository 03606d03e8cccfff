import { z } from "zod";
import { type ProposalState, proposalMoves } from "../shared/approval.ts";
import { locales } from "../shared/locale.ts";
import { visible } from "../shared/text.ts";

/**
 * The neutral card: what is to be seen, before any platform has a say. Elements stand in reading order and every one is bounded, so that a renderer
 * only has to choose the native means for each and can never be handed more than it can show.
 *
 * Text is a list of spans. A plain string is Steward's own, from its word tables. Anything that was written elsewhere (cluster, model, person)
 * is a `Foreign` and goes into the component of the platform that parses nothing.
 */

/** The version of this shape; a stored card of another one is made anew. */
export const cardSchema = 1;

const own = (max: number) => z.string().max(max).regex(visible);

/** Who wrote it. `model` is framed as the model's words wherever it stands alone (reliability.md C11). */
export const Source = z.enum(["cluster", "model", "person"]);
export type Source = z.infer<typeof Source>;

export const Foreign = z
  .strictObject({ from: Source, text: z.string().max(8_000).regex(visible) })
  .meta({ id: "Foreign" });
export type Foreign = z.infer<typeof Foreign>;

export const Span = z.union([own(600), Foreign]);
export type Span = z.infer<typeof Span>;

/** One paragraph. */
export const Text = z.array(Span).max(40).meta({ id: "Text" });
export type Text = z.infer<typeof Text>;

/** What the colour of a card or a line says; every platform has these seven in some form. */
export const Tone = z.enum(["critical", "warning", "info", "busy", "good", "bad", "quiet"]).meta({ id: "Tone" });
export type Tone = z.infer<typeof Tone>;

export const ButtonAction = z.enum(["approve", "deny", "ask", "claim", "ignore", "silence", "undo", "renew", "more"]);
export type ButtonAction = z.infer<typeof ButtonAction>;

export const Button = z
  .strictObject({
    /** Opaque; what it does is looked up when it is pressed. */
    id: z.string().regex(/^[a-z2-7]{26}$/),
    action: ButtonAction,
    label: own(40),
    style: z.enum(["primary", "danger", "plain"]),
    /** What the typed form of this button names: the code of a proposal or the id of an incident (`approve A7F3`). */
    names: own(40),
    /** Reasons that may be chosen with it, where the platform has a menu. */
    choices: z.array(z.strictObject({ value: own(40), label: own(40) })).max(6),
  })
  .meta({ id: "Button" });
export type Button = z.infer<typeof Button>;

export const Fact = z.strictObject({ label: own(40), value: Text }).meta({ id: "Fact" });
export type Fact = z.infer<typeof Fact>;

/** A state that colours the whole card: a drill, a pause, a late find. */
export const Mark = z
  .strictObject({
    mark: z.enum([
      "drill",
      "maintenance",
      "late",
      "flapping",
      "shadow",
      "joined",
      "did_not_hold",
      "ignored",
      "resolved",
    ]),
    text: Text,
    tone: Tone,
  })
  .meta({ id: "Mark" });
export type Mark = z.infer<typeof Mark>;

/** A paragraph of the upper part. With a `frame` it is set apart under that title: somebody else's words. */
export const Paragraph = z
  .strictObject({ label: own(40).nullable(), text: Text, frame: own(80).nullable() })
  .meta({ id: "Paragraph" });
export type Paragraph = z.infer<typeof Paragraph>;

/** https only, to an allowed host, to be shown in full. */
export const Link = z
  .strictObject({
    label: own(40),
    url: z
      .url({ protocol: /^https$/ })
      .max(600)
      .regex(visible),
  })
  .meta({ id: "Link" });
export type Link = z.infer<typeof Link>;

/** Folded by native means; where a platform has none, only the title and a way to the rest are shown. */
export const Section = z
  .strictObject({
    title: Text,
    /** The short name findings cite it by: `E1`. */
    ref: own(8).nullable(),
    body: z.discriminatedUnion("form", [
      z.strictObject({ form: z.literal("text"), lines: z.array(Text).max(40) }),
      z.strictObject({ form: z.literal("preformatted"), text: Foreign }),
      z.strictObject({
        form: z.literal("series"),
        label: Foreign,
        values: z.array(z.number()).min(1).max(120),
        unit: own(20),
        min: z.number(),
        median: z.number(),
        max: z.number(),
      }),
    ]),
    /** What was left out, and how to see it. */
    note: Text.nullable(),
  })
  .meta({ id: "Section" });
export type Section = z.infer<typeof Section>;

export const Finding = z.strictObject({ text: Text, evidence: z.array(own(8)).max(12) }).meta({ id: "Finding" });
export type Finding = z.infer<typeof Finding>;

const ProposalStateWord = z.enum(Object.keys(proposalMoves) as [ProposalState, ...ProposalState[]]);

export const DiffLine = z
  .strictObject({ op: z.enum(["add", "remove", "same"]), text: Foreign })
  .meta({ id: "DiffLine" });
export type DiffLine = z.infer<typeof DiffLine>;

/** One proposal as people decide about it. */
export const ProposalBlock = z
  .strictObject({
    title: own(80),
    code: own(12),
    state: ProposalStateWord,
    /** The state in words: "Wait Approval". */
    label: own(60),
    tone: Tone,
    summary: Text,
    /** Of the exact request this stands for; the same as in the decision and the audit (reliability.md G5). */
    digest: own(80),
    /** What one would type; it is for people and is never run. */
    kubectl: Foreign.nullable(),
    diff: z.strictObject({ lines: z.array(DiffLine).max(6), more: z.int().nonnegative() }),
    facts: z.array(Fact).max(8),
    warnings: z.array(Text).max(8),
    gate: z.strictObject({ allowed: z.boolean(), lines: z.array(Text).max(10) }),
    expires: z.strictObject({ at: z.iso.datetime(), text: own(80) }).nullable(),
    decisions: z.array(Text).max(12),
    /** Why it is not to be had (refused, stale), or how it ended. */
    outcome: Text.nullable(),
    buttons: z.array(Button).max(5),
  })
  .meta({ id: "ProposalBlock" });
export type ProposalBlock = z.infer<typeof ProposalBlock>;

export const Step = z
  .strictObject({ state: z.enum(["done", "doing", "todo", "failed"]), text: Text })
  .meta({ id: "Step" });
export type Step = z.infer<typeof Step>;

/** One execution on its way: what runs, how far it is, how it ended. */
export const Run = z
  .strictObject({
    code: own(12),
    state: ProposalStateWord,
    label: own(60),
    tone: Tone,
    summary: Text,
    kubectl: Foreign.nullable(),
    steps: z.array(Step).max(8),
    /** Of the verification; null before and after it. */
    percent: z.int().min(0).max(100).nullable(),
    checks: z.array(Step).max(12),
    log: z.strictObject({ title: own(60), text: Foreign }).nullable(),
    outcome: Text.nullable(),
    buttons: z.array(Button).max(3),
  })
  .meta({ id: "Run" });
export type Run = z.infer<typeof Run>;

const common = {
  schema: z.literal(cardSchema),
  locale: z.enum(locales),
  tone: Tone,
  title: own(80),
  /** The first line, and what a push notification shows: severity, namespace/name and what. */
  headline: Text,
  /** Where the whole matter stands, in words. */
  status: own(60),
  marks: z.array(Mark).max(9),
  lead: z.array(Paragraph).max(6),
  facts: z.array(Fact).max(10),
  sections: z.array(Section).max(16),
  links: z.array(Link).max(6),
  buttons: z.array(Button).max(6),
  footer: own(300),
};

const ApprovalCard = z
  .strictObject({
    kind: z.literal("approval"),
    ...common,
    proposals: z.array(ProposalBlock).length(1),
  })
  .meta({ id: "ApprovalCard" });
const DiagnosisCard = z
  .strictObject({
    kind: z.literal("diagnosis"),
    ...common,
    findings: z.array(Finding).max(12),
    proposals: z.array(ProposalBlock).max(4),
  })
  .meta({ id: "DiagnosisCard" });
const StatusCard = z
  .strictObject({
    kind: z.literal("status"),
    ...common,
    run: Run,
    findings: z.array(Finding).max(12),
    proposals: z.array(ProposalBlock).max(4),
  })
  .meta({ id: "StatusCard" });
const NoticeCard = z.strictObject({ kind: z.literal("notice"), ...common }).meta({ id: "NoticeCard" });

export const Card = z.discriminatedUnion("kind", [ApprovalCard, DiagnosisCard, StatusCard, NoticeCard]);
export type Card = z.infer<typeof Card>;
export type CardOf<K extends Card["kind"]> = Extract<Card, { kind: K }>;

/** The published JSON Schema of a card; `cards/card.schema.json` is this, and a test compares them. */
export function cardJsonSchema(): unknown {
  return z.toJSONSchema(Card, { target: "draft-2020-12" });
}
