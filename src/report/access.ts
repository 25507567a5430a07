/**
 * Who may see a report that is served.
 *
 * - Whoever asks has to ask for this server by its name: a page of somebody else, whose name was made to
 *   lead here (DNS rebinding), does not.
 * - A server that other machines can reach is for those who know its token. It comes with the first
 *   request, in the address; a cookie keeps it after that, so that it stays in no history.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
/** The hostnames that stand for every address of the machine. */
const ALL_ADDRESSES = new Set(["0.0.0.0", "::"]);
const IP_ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f:]*:[\da-f:.]*)$/;
const HOST = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/;
const HTTP_PORT = 80;

/** Whether only this machine reaches a server of that hostname. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK_HOST.test(hostname);
}

/** A hostname as it stands before a port. */
export function hostOf(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** What is known of a server. */
export interface Site {
  readonly hostname: string;
  readonly port: number;
  /** What has to be known to see anything; null for nothing. */
  readonly token: string | null;
}

/** Gives the answer to a request that is not allowed, or that shows the token; null if all is well. */
export function refusalOf(request: Request, site: Site): Response | null {
  if (request.method !== "GET") {
    return new Response("Only GET is answered here.", { status: 405, headers: { allow: "GET" } });
  }
  const host = request.headers.get("host") ?? "";
  if (!isOwnHost(host, site)) {
    return new Response("This server has another name.", { status: 421 });
  }
  const { token, port } = site;
  if (token === null) return null;
  const cookieName = `scout_report_${port}`;
  const shown = new URL(request.url).searchParams.get("token");
  if (shown !== null && isSame(shown, token)) {
    const cookie = `${cookieName}=${encodeURIComponent(token)}; HttpOnly; SameSite=Strict; Path=/`;
    return new Response(null, { status: 303, headers: { location: "/", "set-cookie": cookie } });
  }
  if (isSame(tokenOf(request, cookieName), token)) return null;
  return new Response("Open the address that the server was started with: it holds a token.", {
    status: 401,
    headers: { "www-authenticate": "Bearer" },
  });
}

function isOwnHost(host: string, { hostname, port }: Site): boolean {
  const [, bracketed, plain, hostPort] = HOST.exec(host.toLowerCase()) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined || Number(hostPort ?? HTTP_PORT) !== port) return false;
  if (name === hostname.toLowerCase()) return true;
  // An address cannot be made to lead elsewhere.
  if (ALL_ADDRESSES.has(hostname)) return IP_ADDRESS.test(name) || name === "localhost";
  return isLoopback(hostname) && LOOPBACK.includes(name);
}

function tokenOf({ headers }: Request, cookieName: string): string {
  const [, bearer] = /^Bearer (.+)$/.exec(headers.get("authorization") ?? "") ?? [];
  if (bearer !== undefined) return bearer;
  const cookies = (headers.get("cookie") ?? "").split("; ");
  const prefix = `${cookieName}=`;
  const found = cookies.find((cookie) => cookie.startsWith(prefix))?.slice(prefix.length) ?? "";
  try {
    return decodeURIComponent(found);
  } catch {
    // No cookie of this server's.
    return "";
  }
}

/** Compares in a time that tells nothing of where two texts differ. */
function isSame(a: string, b: string): boolean {
  const digestOf = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digestOf(a), digestOf(b));
}
