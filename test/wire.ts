import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A line to the API server that can be cut and mended, so that the cluster behind it stays as it was. */
export interface Wire {
  /** The kubeconfig that goes over this line. */
  readonly kubeconfig: string;
  /** From now on nobody answers: connections are refused and open ones end. */
  cut(): void;
  mend(): void;
  stop(): Promise<void>;
}

export async function startWire(kubeconfig: string): Promise<Wire> {
  const address = /https:\/\/([\d.]+):(\d+)/.exec(kubeconfig);
  if (address === null) throw new Error("the kubeconfig names no server");
  const [, host = "", port = ""] = address;
  const sockets = new Set<Socket>();
  let whole = true;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    keep(near);
    if (!whole) return near.destroy();
    const far = connect(Number(port), host);
    keep(far);
    near.pipe(far).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    return undefined;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    kubeconfig: kubeconfig.replace(address[0], `https://127.0.0.1:${(server.address() as AddressInfo).port}`),
    cut,
    mend() {
      whole = true;
    },
    async stop() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
