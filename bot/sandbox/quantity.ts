/**
 * resource.Quantity: exact amounts with SI suffixes. Kept as a whole number of nano units, the finest the API keeps.
 */
const binary: Readonly<Record<string, bigint>> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};
const decimalExponent: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

export interface Quantity {
  readonly nano: bigint;
  readonly format: "binary" | "decimal" | "exponent";
}

/** Go's own words; the server repeats them in its 400. */
const quantityFormatError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const quantitySuffixError = "unable to parse quantity's suffix";

/** A quantity, or why it is none. */
export function parseQuantity(input: string | number): Quantity | { error: string } {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*)([-+]?\d*)$/.exec(String(input));
  if (!match) return { error: quantityFormatError };
  const [, sign = "", whole = "", fraction = "", suffix = "", exponent = ""] = match;
  if (whole === "" && fraction === "") return { error: quantityFormatError };
  const digits = BigInt(whole + fraction || "0");
  let nano: bigint;
  let format: Quantity["format"] = "decimal";
  if (exponent !== "" && (suffix === "e" || suffix === "E")) {
    nano = scale(digits, Number(exponent) - fraction.length + 9);
    format = "exponent";
  } else if (exponent !== "") {
    return { error: quantitySuffixError };
  } else if (binary[suffix] !== undefined) {
    nano = scale(digits * binary[suffix], 9 - fraction.length);
    format = "binary";
  } else if (decimalExponent[suffix] !== undefined) {
    nano = scale(digits, decimalExponent[suffix] - fraction.length + 9);
  } else {
    return { error: quantitySuffixError };
  }
  return { nano: sign === "-" ? -nano : nano, format };
}

/** digits * 10^exponent, rounded up as the API does below a nano. */
function scale(digits: bigint, exponent: number): bigint {
  if (exponent >= 0) return digits * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(-exponent);
  return (digits + divisor - 1n) / divisor;
}

/** The one way the API writes an amount: 1024Mi becomes 1Gi, 0.5 becomes 500m. */
export function formatQuantity(quantity: Quantity): string {
  const { nano, format } = quantity;
  if (nano === 0n) return "0";
  const unit = 1_000_000_000n;
  const magnitude = nano < 0n ? -nano : nano;
  if (format === "binary" && nano % unit === 0n && magnitude / unit >= 1024n) {
    let amount = nano / unit;
    let suffix = "";
    for (const name of Object.keys(binary)) {
      if (amount % 1024n !== 0n) break;
      amount /= 1024n;
      suffix = name;
    }
    return `${amount}${suffix}`;
  }
  let amount = nano;
  let exponent = -9;
  while (exponent < 18 && amount % 1000n === 0n) {
    amount /= 1000n;
    exponent += 3;
  }
  if (format === "exponent") return exponent === 0 ? `${amount}` : `${amount}e${exponent}`;
  const suffix = Object.keys(decimalExponent).find((name) => decimalExponent[name] === exponent) ?? "";
  return `${amount}${suffix}`;
}

/** Milli units (CPU) of an amount that is known to be valid; 0 when absent. Rounded up. */
export function milli(input: string | number | undefined): number {
  const parsed = parseQuantity(input ?? "0");
  return "error" in parsed ? 0 : Number((parsed.nano + 999_999n) / 1_000_000n);
}

/** Whole units (bytes) of an amount that is known to be valid; 0 when absent. Rounded up. */
export function units(input: string | number | undefined): number {
  const parsed = parseQuantity(input ?? "0");
  return "error" in parsed ? 0 : Number((parsed.nano + 999_999_999n) / 1_000_000_000n);
}

export function compareQuantities(a: string | number, b: string | number): number {
  const x = parseQuantity(a);
  const y = parseQuantity(b);
  if ("error" in x || "error" in y) return 0;
  return x.nano < y.nano ? -1 : x.nano > y.nano ? 1 : 0;
}

/** Sum of two valid amounts, in the first one's format. */
export function addQuantities(a: string, b: string): string {
  const x = parseQuantity(a);
  const y = parseQuantity(b);
  if ("error" in x || "error" in y) return a;
  return formatQuantity({ nano: x.nano + y.nano, format: x.nano === 0n ? y.format : x.format });
}
