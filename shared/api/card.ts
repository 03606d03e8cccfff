import { z } from "zod";

/** Data of one `card` event of `GET /events`; its SSE id is what `Last-Event-ID` resumes from. */
export const CardEvent = z.object({
  cardId: z.string(),
  version: z.number(),
  kind: z.string(),
  incidentId: z.string().nullable(),
  approvalId: z.string().nullable(),
  state: z.string(),
  /** The neutral card (cards/card.schema.json); read loosely by clients. */
  card: z.looseObject({}),
});
export type CardEvent = z.infer<typeof CardEvent>;

/** `GET /chat`: a card by its deep link, with a session or the link's own signature. */
export const ChatQuery = z.strictObject({
  card_id: z.uuid(),
  expires: z
    .string()
    .regex(/^\d{1,12}$/, "must be unix seconds")
    .optional(),
  signature: z.string().max(64).optional(),
});
