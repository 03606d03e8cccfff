import type Database from "better-sqlite3";
import type { Redactor } from "../../../shared/redact.ts";

/** What every noun of the store is made from. */
export interface Connection {
  readonly db: Database.Database;
  /** The frozen time of the open transaction. Throws outside of one: that is how a change without a transaction is found. */
  now(): Date;
  readonly epoch: number;
  readonly instanceId: string;
  /** Masks secrets in what is written for good. */
  readonly redactor: Redactor;
}
