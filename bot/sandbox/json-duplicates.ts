/** Finds fields that a JSON text says twice, which JSON.parse does not tell. */

/**
 * Paths of the repeated fields, as `data.a` or `spec.containers[0].name`, in the order of the text.
 * @param text must be JSON that parses
 */
export function duplicateFields(text: string): string[] {
  const found: string[] = [];
  let place = 0;
  value("");
  return found;

  function value(path: string): void {
    blank();
    if (text[place] === "{") object(path);
    else if (text[place] === "[") list(path);
    else if (text[place] === '"') string();
    else while (place < text.length && !/[,\]}\s]/.test(text[place] ?? "")) place += 1;
    blank();
  }

  function object(path: string): void {
    const seen = new Set<string>();
    place += 1;
    for (blank(); text[place] !== "}"; blank()) {
      if (text[place] === ",") place += 1;
      blank();
      const key = string();
      const here = path === "" ? key : `${path}.${key}`;
      if (seen.has(key)) found.push(here);
      seen.add(key);
      blank();
      place += 1; // the colon
      value(here);
    }
    place += 1;
  }

  function list(path: string): void {
    place += 1;
    let index = 0;
    for (blank(); text[place] !== "]"; blank()) {
      if (text[place] === ",") place += 1;
      value(`${path}[${index}]`);
      index += 1;
    }
    place += 1;
  }

  function string(): string {
    const start = place;
    for (place += 1; text[place] !== '"'; place += 1) if (text[place] === "\\") place += 1;
    place += 1;
    return String(JSON.parse(text.slice(start, place)));
  }

  function blank(): void {
    while (/\s/.test(text[place] ?? "")) place += 1;
  }
}
