/** What runs in the place of what a client asks for; what a key names, its user may have written. */
import { expect, test } from "bun:test";
import { emptyReport } from "../../src/explain/report.ts";
import { reportLines } from "../../src/explain/show.ts";
import type { KeyAuthentication } from "../../src/explain/sshd/authentication.ts";
import { forcedCommand, internalSftpSteps } from "../../src/explain/sshd/forced-command.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";

const key = (...commands: (string | undefined)[]): KeyAuthentication => ({
  ...{ can: "yes", why: [], advice: [], users: new Set(), count: 1, more: false },
  commands: new Set(commands),
});
const told = (text: string, way: KeyAuthentication, asked?: string, byPassword = false) =>
  forcedCommand(parseSshdSettings(text), way, asked, byPassword).steps.map(
    ({ name, outcome }) => `${name} ${outcome}`,
  );

test("an sftp server that a key names is never advised", () => {
  const own = key("/home/u/sftp-server");
  const { steps } = forcedCommand(parseSshdSettings("usepam yes\n"), own, undefined, false);
  expect(steps.map(({ name, remedy }) => [name, remedy])).toEqual([["key-command", ""]]);
  expect(told("forcecommand /usr/lib/sftp-server\n", own)).toEqual(["subsystem unknown"]);
});

test("a login by password is not limited to the command of a key, and a note says so", () => {
  const way = key("id");
  expect(told("\n", way)).toEqual(["key-command passed"]);
  const { steps } = forcedCommand(parseSshdSettings("\n"), way, undefined, true);
  expect(steps.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual(["key-command warned"]);
  const lines = reportLines({ ...emptyReport("u"), verdict: "works", steps });
  expect(lines.at(-2)).toBe(
    "This answer is about a login by key; a login by password ignores the command of the keys.",
  );
  expect(reportLines({ ...emptyReport("u"), verdict: "works" }).at(-2)).toBe("login:");
});

test("internal-sftp that is passed to a shell", () => {
  const outcomes = (command: string, found = false) =>
    internalSftpSteps(command, () => found).map(({ outcome }) => outcome);
  for (const command of ['"internal-sftp"', "'internal-sftp -R'", " internal-sftp -R", "internal-sftp"])
    expect([command, outcomes(command)]).toEqual([command, ["failed"]]);
  expect(outcomes('"internal-sftp"', true)).toEqual([]);
  for (const command of ["internal-sftp2", "id", "/usr/lib/internal-sftp"])
    expect(outcomes(command)).toEqual([]);
});

test("the command of a key is shown in quotes", () => {
  const { steps } = forcedCommand(parseSshdSettings("\n"), key("x\x1b; remedy: y"), undefined, false);
  expect(steps[0]?.message).toContain("'x\\x1b; remedy: y'");
});

test("sftp alone", () => {
  const internal = "forcecommand internal-sftp\n";
  expect(told(internal, key(undefined), "id")).toEqual(["sftp-alone failed"]);
  expect(told(internal, key(undefined))).toEqual([]);
  expect(told(internal, key(undefined), "/usr/lib/openssh/sftp-server")).toEqual([]);
  // A password is held to no command of a key.
  expect(told("\n", key("internal-sftp"), "id", true)).toEqual(["key-command warned", "sftp-alone unknown"]);
});

test("the program of Subsystem, whatever its options", () => {
  const subsystem = "subsystem sftp /usr/lib/openssh/sftp-server -l INFO\n";
  expect(told(subsystem, key(undefined), "/usr/lib/openssh/sftp-server")).toEqual([]);
  expect(told(subsystem, key(undefined), "sftp-server")).toEqual([]);
  expect(told(subsystem, key(undefined), "/usr/libexec/sftp-server")).toEqual(["subsystem unknown"]);
  expect(told(subsystem, key(undefined, "id"), "id")).toEqual(["key-command unknown"]);
});
