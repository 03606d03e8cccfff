/** The languages people are spoken to in. Every word table is a record over these, so a missing language does not compile. */
export const locales = ["zh-CN", "en"] as const;
export type Locale = (typeof locales)[number];
