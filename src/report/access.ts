/**
 * Access control for a report that is served.
 *
 * - The `Host` header of a request must name this server or an allowed host. Otherwise, a foreign page whose host name
 *   resolves to this server could read the report (DNS rebinding). If only this machine can reach the server, the
 *   header may contain any port, because a forwarded port has another number. If a request has the right token, its
 *   header may contain any name.
 * - A page of another site can link to the report, but not embed it or request it in another way.
 * - If other machines can reach the server, each request must contain the token of the server. The first request has
 *   the token in the URL. Later requests have the token in a cookie, so that it is not left in the browser history.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";

const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
/** The hostnames with which a server listens on every address of the machine. */
const ALL_ADDRESSES = new Set(["0.0.0.0", "::"]);
const IP_ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f:]*:[\da-f:.]*)$/;
const HOST = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/;
const HTTP_PORT = 80;

/** Checks whether only this machine can reach a server that listens on the hostname. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK_HOST.test(hostname);
}

/** Returns a hostname in the form for a URL, with brackets around an IPv6 address. */
export function hostOf(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** The address of a server, and its token. */
export interface Site {
  readonly hostname: string;
  readonly port: number;
  /** The token that every request must have; null if a token is not needed. */
  readonly token: string | null;
  /** Further host names that are allowed in the `Host` header of a request, with any port. */
  readonly allowHosts: readonly string[];
}

/**
 * Returns the response that refuses a request, or null if the request is allowed. A request with the token in
 * its URL gets a redirect that moves the token to a cookie.
 */
export function refusalOf(request: Request, site: Site): Response | null {
  if (request.method !== "GET") {
    return new Response("Only GET requests are supported.", {
      status: 405,
      headers: { allow: "GET" },
    });
  }
  if (isEmbedded(request)) {
    return new Response("Other sites cannot embed this page.", { status: 403 });
  }
  const { token, port } = site;
  if (token !== null) {
    const cookieName = `scout_report_${port}`;
    const shown = new URL(request.url).searchParams.get("token");
    if (shown !== null && isSame(shown, token)) {
      const cookie = `${cookieName}=${encodeURIComponent(token)}; HttpOnly; SameSite=Lax; Path=/`;
      const url = new URL(request.url);
      url.searchParams.delete("token");
      const headers = { location: `/${url.search}`, "set-cookie": cookie };
      return new Response(null, { status: 303, headers });
    }
    if (isSame(tokenOf(request, cookieName), token)) return null;
  }
  const host = request.headers.get("host") ?? "";
  if (!isOwnHost(host, site)) {
    return new Response(
      "The Host header does not name this server. Allow the name with --allow-host or allowHosts.",
      { status: 421 },
    );
  }
  if (token === null) return null;
  return new Response(
    "The token is missing or wrong. Open the full URL of the server, which contains the token.",
    {
      status: 401,
      headers: { "www-authenticate": "Bearer" },
    },
  );
}

/**
 * Checks whether a page of another site requests the report other than by a link. Such a page cannot read the response,
 * but each filter in its requests would make the server read the log. The server therefore refuses the request.
 */
function isEmbedded({ headers }: Request): boolean {
  // A page of another site can ask the browser to fetch or render pages in advance.
  const isAhead = ["sec-purpose", "purpose"].some((name) =>
    headers.get(name)?.includes("prefetch") === true
  );
  return isAhead || (headers.get("sec-fetch-site") === "cross-site" &&
    headers.get("sec-fetch-dest") !== "document");
}

function isOwnHost(host: string, { hostname, port, allowHosts }: Site): boolean {
  const [, bracketed, plain, hostPort] = HOST.exec(host.toLowerCase()) ?? [];
  const name = bracketed ?? plain;
  if (name === undefined) return false;
  if (allowHosts.some((allowed) => allowed.toLowerCase() === name)) return true;
  if (isLoopback(hostname)) return isLoopback(name);
  if (Number(hostPort ?? HTTP_PORT) !== port) return false;
  if (name === hostname.toLowerCase()) return true;
  // DNS rebinding needs a host name. So if the server listens on all addresses, `Host` may contain any IP address.
  return ALL_ADDRESSES.has(hostname) && (IP_ADDRESS.test(name) || name === "localhost");
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
    // The cookie is malformed, so this server has not set it. The request then counts as a request without a token.
    return "";
  }
}

/** Compares two texts in constant time, so that the duration does not reveal where the texts differ. */
function isSame(a: string, b: string): boolean {
  const digestOf = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digestOf(a), digestOf(b));
}
