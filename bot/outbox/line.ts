import { z } from "zod";
import { Text } from "../../cards/card.ts";
import type { Channel, MessageRef } from "../edges.ts";
import type { OutboxItem } from "../store.ts";

const QueuedLine = z.strictObject({ text: Text, mention: z.array(z.string()) });
const QueuedReply = z.strictObject({ thread: z.string(), line: QueuedLine });
const QueuedTell = z.strictObject({ person: z.string(), line: QueuedLine });

/** Says what was queued as words: a line of a card or chat, a reply in a thread, a word to one person. */
export async function speak(
  channel: Pick<Channel, "line" | "reply" | "tell">,
  { kind, chat, body }: Pick<OutboxItem, "kind" | "chat" | "body">,
  message: MessageRef | null,
): Promise<void> {
  const queued: unknown = JSON.parse(body);
  if (kind === "reply") {
    const { thread, line } = QueuedReply.parse(queued);
    return channel.reply(chat, thread, line);
  }
  if (kind === "tell") {
    const { person, line } = QueuedTell.parse(queued);
    return channel.tell(person, line, chat === "" ? null : chat);
  }
  return channel.line(chat, message, QueuedLine.parse(queued));
}
