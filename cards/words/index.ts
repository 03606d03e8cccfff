import type { Locale } from "../../shared/locale.ts";
import { en, type Words } from "./en.ts";
import { zhCN } from "./zh-CN.ts";

export type { Words } from "./en.ts";

/** What Steward says, by language. */
export const words: Readonly<Record<Locale, Words>> = { en, "zh-CN": zhCN };
