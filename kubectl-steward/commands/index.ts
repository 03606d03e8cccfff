import type { Command } from "../command.ts";
import { approvals, approve, deny, renew, undo } from "./approvals.ts";
import { audit, auditExport, auditVerify, changes } from "./audit.ts";
import { completion } from "./completion.ts";
import { demo } from "./demo.ts";
import { gate, pause, resume } from "./gate.ts";
import { incidents } from "./incidents.ts";
import { policyLint, policyShow, policyTest } from "./policy.ts";
import { propose } from "./propose.ts";
import { login, logout, setup, whoami } from "./session.ts";
import { status } from "./status.ts";
import { usersAdd, usersLink, usersList, usersRemove, usersRole, usersUnlink } from "./users.ts";
import { watch } from "./watch.ts";

/** Every subcommand, in the order the help shows them. `version` is answered before this is loaded. */
export const commands: readonly Command[] = [
  setup,
  login,
  logout,
  whoami,
  status,
  incidents,
  approvals,
  approve,
  deny,
  undo,
  renew,
  propose,
  gate,
  watch,
  changes,
  audit,
  auditVerify,
  auditExport,
  policyTest,
  policyLint,
  policyShow,
  pause,
  resume,
  usersList,
  usersAdd,
  usersRemove,
  usersRole,
  usersLink,
  usersUnlink,
  demo,
  completion,
];
