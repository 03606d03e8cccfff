import { z } from "zod";
import { AuditRecord } from "../audit.ts";
import { listOf, pageQuery } from "./common.ts";

const Platform = z.enum(["dingtalk", "feishu", "slack", "terminal", "api", "system"]);
const Status = z.enum(["SUCCESS", "FAILED", "PENDING"]);

const filter = {
  /** A user's name or id. */
  user: z.string().max(64).optional(),
  action: z.string().max(64).optional(),
  target: z.string().max(400).optional(),
  platform: Platform.optional(),
  status: Status.optional(),
  incident: z.string().max(64).optional(),
  proposal: z.string().max(64).optional(),
  /** As `since`: records before it. */
  until: z.string().max(40).optional(),
};

export const AuditQuery = z.strictObject({ ...pageQuery, ...filter });

/** `since`, `until` and `incident` cut the export; without any it is the whole chain, which can be verified by itself. */
export const ExportQuery = z.strictObject({ since: pageQuery.since, until: filter.until, incident: filter.incident });

/** One record, under the names of its columns (SPEC 13), and the name that goes with `user_id`, also of a removed user. */
export const AuditRow = z.object({ ...AuditRecord.shape, username: z.string().nullable() });
export type AuditRow = z.infer<typeof AuditRow>;

export const AuditList = listOf(AuditRow);

export const AuditVerdict = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), records: z.number(), head: z.string() }),
  z.object({ ok: z.literal(false), brokenAt: z.number(), reason: z.string() }),
]);
export type AuditVerdict = z.infer<typeof AuditVerdict>;

export const ChangesQuery = z.strictObject({ ...pageQuery, namespace: z.string().max(63).optional() });

/** Who or which rule changed what, where, approved by whom, with what outcome. */
export const Change = z.object({
  at: z.string(),
  code: z.string(),
  namespace: z.string().nullable(),
  target: z.string(),
  summary: z.string(),
  kubectl: z.string(),
  /** A person's name, or `rule NAME`. */
  by: z.string(),
  approvedBy: z.array(z.string()),
  state: z.string(),
  incidentId: z.string().nullable(),
});
export type Change = z.infer<typeof Change>;

export const ChangeList = listOf(Change);
