import { createSlack } from "../bot/channels/slack.ts";
import { channelContract } from "./contracts/channel.ts";
import { startSlack } from "./emulators/slack/index.ts";

const timing = {
  connectMs: 1_500,
  silentMs: 1_500,
  renewMs: 3_600_000,
  slowestMs: 1_000,
  refusedMs: 1_000,
  pingMs: 600,
  callMs: 5_000,
};

channelContract({
  platform: "slack",
  startEmulator: startSlack,
  openChannel: ({ appToken, botToken, apiUrl, chat }, { clock, log, locale }) =>
    createSlack({ settings: { appToken, botToken, apiUrl, channel: chat, locale }, locale: "en", clock, log, timing }),
});
