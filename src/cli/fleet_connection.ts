/**
 * Connects a command to the NATS server of a fleet, to which many machines ship their logs.
 *
 * @module
 */
import type { ConnectionOptions, NatsConnection } from "@nats-io/nats-core";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { messageOf, withFlags } from "../errors.ts";
import { CommandError } from "./command_error.ts";
import { readSmallFile, readSmallFileBytes } from "./small_file.ts";

/**
 * The options for a fleet, its server and the login. The type is an alias, because the types of the parsers do not
 * accept an interface.
 */
export type ServerOptions = {
  readonly server: string;
  readonly fleet: string;
  readonly stream: string;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly creds: string | undefined;
  readonly ca: string | undefined;
  readonly inbox: string | undefined;
};

/** The parser of {@linkcode ServerOptions}. */
export const serverOptions: Parser<"sync", ServerOptions, unknown> = object("Fleet", {
  server: option("--server", string({ metavar: "ADDRESS" }), {
    description:
      message`NATS server: 127.0.0.1:4222, tls://nats.example.com:4222, wss://nats.example.com, or several separated by commas`,
  }),
  fleet: option("--fleet", string({ metavar: "NAME" }), {
    description: message`Name of the fleet`,
  }),
  stream: withDefault(
    option("--stream", string({ metavar: "NAME" }), {
      description: message`Name of the stream; default AUDIT`,
    }),
    "AUDIT",
  ),
  user: optional(option("--user", string({ metavar: "NAME" }), {
    description: message`User name for the server; needs --password-file`,
  })),
  passwordFile: optional(option("--password-file", string({ metavar: "FILE" }), {
    description: message`File with the password of --user`,
  })),
  creds: optional(option("--creds", string({ metavar: "FILE" }), {
    description: message`Credentials file, as created by nsc`,
  })),
  ca: optional(option("--ca", string({ metavar: "FILE" }), {
    description: message`File with CA certificates (PEM)`,
  })),
  inbox: optional(option("--inbox", string({ metavar: "PREFIX" }), {
    description: message`Prefix of reply subjects; default _INBOX, or _INBOX_NAME with --user`,
  })),
});

const WEB_SOCKET = /^wss?:\/\//;
const TLS = /^tls:\/\//;

/**
 * Connects to the server of a fleet, calls `work` with the connection, and disconnects. Resolves with the result of
 * `work`.
 *
 * @throws {CommandError} If connecting fails, or `work` fails with an error that the user can fix.
 */
export async function withConnection<T>(
  options: ServerOptions,
  work: (connection: NatsConnection) => Promise<T>,
): Promise<T> {
  const connection = await connected(options);
  try {
    return await work(connection);
  } catch (error) {
    if (error instanceof RangeError) throw new CommandError(error.message, 2);
    throw isForUser(error) ? new CommandError(error.message, 1) : error;
  } finally {
    await connection.close();
  }
}

async function connected({ server, ...options }: ServerOptions): Promise<NatsConnection> {
  const addresses = server.split(",");
  const settings = {
    ...await authentication(options),
    ...tlsOf(addresses, options),
    servers: addresses.map((address) => address.replace(TLS, "")),
    name: "scout",
    maxReconnectAttempts: -1,
    // Without `noAsyncTraces`, the client records a stack trace for each request, which costs a tenth of the run time.
    noAsyncTraces: true,
  };
  try {
    // A WebSocket connection does not need the package `@nats-io/transport-node`, so the package is loaded only for
    // other connections.
    const connect = addresses.every((address) => WEB_SOCKET.test(address))
      ? (await import("@nats-io/nats-core")).wsconnect
      : (await import("@nats-io/transport-node")).connect;
    return await connect(settings);
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof Deno.errors.NotCapable) {
        throw withFlags(cause, [`--allow-net=${hostsOf({ server })}`], {
          action: "Cannot reach fleet",
        });
      }
    }
    throw new CommandError(`Cannot connect to ${server}: ${messageOf(error)}`, 1);
  }
}

/** Returns the hosts to which a command on a fleet connects, each with its port. */
export function hostsOf({ server }: Pick<ServerOptions, "server">): string[] {
  return server.split(",").map((address) => address.replace(/^\w+:\/\//, ""));
}

async function authentication(
  { user, passwordFile, creds, inbox }: Omit<ServerOptions, "server">,
): Promise<ConnectionOptions> {
  if ((user === undefined) !== (passwordFile === undefined)) {
    throw new CommandError("Cannot connect: --user and --password-file must be used together", 2);
  }
  if (user !== undefined && creds !== undefined) {
    throw new CommandError("Cannot connect: --user and --creds cannot be used together", 2);
  }
  const inboxPrefix = inbox ?? (user === undefined ? undefined : `_INBOX_${user}`);
  const prefix = inboxPrefix === undefined ? {} : { inboxPrefix };
  if (creds !== undefined) {
    const { credsAuthenticator } = await import("@nats-io/nats-core");
    return {
      ...prefix,
      authenticator: credsAuthenticator(readSmallFileBytes(creds, "credentials")),
    };
  }
  if (user === undefined) return prefix;
  return { ...prefix, user, pass: readSmallFile(passwordFile!, "password").trimEnd() };
}

function tlsOf(
  addresses: readonly string[],
  { ca }: Pick<ServerOptions, "ca">,
): Pick<ConnectionOptions, "tls"> {
  if (ca === undefined && !addresses.some((address) => TLS.test(address))) return {};
  return { tls: ca === undefined ? {} : { ca: readSmallFile(ca, "certificates") } };
}

/**
 * The names of the errors from fleet operations that users can fix. The command shows only their message, without a
 * stack trace.
 */
const FOR_USER = [
  "FleetMismatchError",
  "FleetConflictError",
  "FleetServerError",
  "FleetTimeoutError",
  // `RequestError` and `ClosedConnectionError` are errors of the NATS client: the server forbids a request, or the
  // connection is closed.
  "RequestError",
  "ClosedConnectionError",
];

function isForUser(error: unknown): error is Error {
  return error instanceof Error && FOR_USER.includes(error.name);
}
