import { createHmac } from "node:crypto";
import { maskObject } from "./redact/object.ts";
import { type Mask, maskText } from "./redact/text.ts";

export interface Redactor {
  text(text: string): string;
  /** Works on JSON-like data; everything in it that is text is masked as by `text`, and more where the structure says what is secret. */
  object<T>(value: T): T;
}

export interface RedactorOptions {
  /** Keys the four characters that let equal secrets be seen as equal. */
  key: string;
  /** Steward's own secrets: masked wherever they stand, whatever they look like. */
  own: readonly string[];
}

/**
 * Masks secrets as `[masked:kind:abcd]`; equal secrets of one kind get equal masks. Idempotent.
 * Before anything reaches the model, a card, a log or the store (SPEC 7; reliability.md 3.5).
 */
export function createRedactor({ key, own }: RedactorOptions): Redactor {
  const mask: Mask = (kind, secret) =>
    `[masked:${kind}:${createHmac("sha256", key).update(secret).digest("hex").slice(0, 4)}]`;
  const exact = own.filter((secret) => secret.length >= 6).sort((a, b) => b.length - a.length);
  const text = (from: string) =>
    maskText(
      exact.reduce(
        (rest, secret) => (rest.includes(secret) ? rest.replaceAll(secret, () => mask("own", secret)) : rest),
        from,
      ),
      mask,
    );
  return { text, object: (value) => maskObject(value, text, mask) };
}

const standard = createRedactor({ key: "steward", own: [] });

/** `createRedactor`'s `text`, where none of Steward's own secrets can be in the text. */
export const redactText: (text: string) => string = standard.text;

/** As `redactText`, for structured data. */
export const redactObject: <T>(value: T) => T = standard.object;
