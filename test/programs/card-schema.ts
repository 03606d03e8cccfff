/** Writes cards/card.schema.json from the zod schema: `npx tsx test/programs/card-schema.ts`. A test compares the two. */
import { writeFileSync } from "node:fs";
import { cardJsonSchema } from "../../cards/card.ts";

writeFileSync("cards/card.schema.json", `${JSON.stringify(cardJsonSchema(), null, 2)}\n`);
