import { createTimes } from "../shared/time.ts";
import { createClick } from "./chat/click.ts";
import type { ChatContext, ChatDeps } from "./chat/context.ts";
import { createMention } from "./chat/mention.ts";
import { createMouth } from "./chat/mouth.ts";
import type { ChannelHandlers } from "./edges.ts";

export interface Chat extends ChannelHandlers {
  /** Resolves when nothing that was asked for is under way. */
  idle(): Promise<void>;
}

/**
 * What people do in the chats: clicks, and what they write to Steward. Who it is comes from the platform's frame and is looked up at every event;
 * what a button does is looked up by its id, and only on the message that Steward keeps (SPEC 9, 10, 11).
 */
export function createChat(deps: ChatDeps): Chat {
  const underWay = new Set<Promise<void>>();
  const context: ChatContext = {
    ...deps,
    times: createTimes(deps.timezone),
    mouth: createMouth(deps.store, deps.wake),
    async track(work) {
      const running = work().finally(() => underWay.delete(running));
      underWay.add(running);
      await running;
    },
  };

  return {
    click: createClick(context),
    mention: createMention(context),
    async idle() {
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };
}
