/** Writes cards/card.schema.json from the zod schema, for `npx biome format --write` to lay out; a test compares the two. */
import { writeFileSync } from "node:fs";
import { cardJsonSchema } from "../../cards/card.ts";

writeFileSync("cards/card.schema.json", JSON.stringify(cardJsonSchema()));
