/**
 * A proxy in front of an HTTP server. A test can cut the connections to simulate a network failure.
 *
 * @module
 */

const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

/**
 * A proxy that forwards connections to an HTTP server. In requests, the proxy replaces its own address by the address
 * of the server.
 */
export class CuttableProxy implements AsyncDisposable {
  /** The URL of the proxy, to use instead of the URL of the server. */
  readonly url: string;
  readonly #target: URL;
  readonly #port: number;
  #listener: Deno.Listener;
  #accepting: Promise<void>;
  readonly #connections = new Set<Deno.Conn>();
  readonly #passing = new Set<Promise<unknown>>();

  /** Starts the proxy. */
  constructor(target: URL) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#port = (this.#listener.addr as Deno.NetAddr).port;
    this.url = `http://127.0.0.1:${this.#port}/`;
    this.#accepting = this.#accept(this.#listener);
  }

  /** Closes every connection, and rejects new connections. */
  cut(): void {
    this.#listener.close();
    // A connection may have ended already. Disposing of an ended connection has no effect.
    for (const connection of this.#connections) connection[Symbol.dispose]();
    this.#connections.clear();
  }

  /** Accepts connections again after `cut()`, on the same port. */
  mend(): void {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.#port });
    this.#accepting = this.#accept(this.#listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.#accepting;
    await Promise.all(this.#passing);
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    for await (const client of listener) {
      const { hostname, port } = this.#target;
      const server = await Deno.connect({ hostname, port: Number(port) });
      for (const connection of [client, server]) this.#connections.add(connection);
      const ownHost = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform: (bytes, controller) => {
          const text = decoder.decode(bytes).replaceAll(
            `127.0.0.1:${this.#port}`,
            this.#target.host,
          );
          controller.enqueue(encoder.encode(text));
        },
      });
      this.#pass(client.readable.pipeThrough(ownHost), server);
      this.#pass(server.readable, client);
    }
  }

  #pass(from: ReadableStream<Uint8Array<ArrayBuffer>>, to: Deno.Conn): void {
    // Errors are ignored, because connections fail when a test cuts them.
    const passed = from.pipeTo(to.writable).catch(() => {});
    this.#passing.add(passed);
  }
}
