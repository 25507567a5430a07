import { assertEquals } from "@std/assert";
import { asCommandError, CommandError } from "../../src/cli/command_error.ts";
import { AuditWriteError } from "../../src/errors.ts";

function systemError(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}

const FOR_USERS: [error: unknown, exitCode: 1 | 2, message: string][] = [
  [new CommandError("Cannot do it", 2), 2, "Cannot do it"],
  [
    new Deno.errors.NotCapable("Cannot open audit log: run again with --x"),
    2,
    "Cannot open audit log: run again with --x",
  ],
  [
    new Deno.errors.NotCapable("Cannot read C:\\x.csv: run again with --x"),
    2,
    "Cannot read C:\\x.csv: run again with --x",
  ],
  [
    new Deno.errors.PermissionDenied("Permission denied (os error 13): open '/x'"),
    2,
    "Cannot continue: Permission denied (os error 13): open '/x'",
  ],
  [new Deno.errors.IsADirectory("Is a directory"), 1, "Cannot continue: Is a directory"],
  [new Deno.errors.NotADirectory("Not a directory"), 1, "Cannot continue: Not a directory"],
  [new Deno.errors.FilesystemLoop("Too many links"), 1, "Cannot continue: Too many links"],
  [
    systemError("No space left on device (os error 28)", "ENOSPC"),
    1,
    "Cannot continue: No space left on device (os error 28)",
  ],
  [
    new TypeError("Cannot open audit log: the path must be a regular file, got a symlink: /x"),
    1,
    "Cannot open audit log: the path must be a regular file, got a symlink: /x",
  ],
  [
    new AuditWriteError("Cannot append to audit log: full", { phase: "write", path: "/x" }),
    1,
    "Cannot append to audit log: full",
  ],
  [new SuppressedError(new Error("later"), new CommandError("Cannot do it", 1)), 1, "Cannot do it"],
];
for (const [error, exitCode, message] of FOR_USERS) {
  Deno.test(`asCommandError() returns exit code ${exitCode} and the message: ${message}`, () => {
    const expected = asCommandError(error);
    assertEquals([expected?.exitCode, expected?.message], [exitCode, message]);
  });
}

const FOR_DEVELOPERS: Error[] = [
  new TypeError("Cannot read properties of undefined (reading 'x')"),
  new TypeError("Cannot read private member #x from an object whose class did not declare it"),
  new ReferenceError("Cannot access 'x' before initialization"),
  new RangeError("Maximum call stack size exceeded"),
];
for (const error of FOR_DEVELOPERS) {
  Deno.test(`asCommandError() returns null for a bug: ${error.message}`, () => {
    assertEquals(asCommandError(error), null);
  });
}
