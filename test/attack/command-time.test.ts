/**
 * Command lines as long as the kernel takes them, made to keep the limited shell itself busy: its own limits do not hold for
 * it, and each is refused within ten seconds of processor time (one or two on most machines).
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_lsh"] });
  m.addUser("dev", { home: "/home/dev", createHome: true, shell: "/usr/sbin/jk_lsh" });
});
afterAll(() => m?.close());

// MAX_ARG_STRLEN, with the NUL.
const LONGEST = 131_072;
function full(start: string, middle: string, end: string): string {
  const left = LONGEST - 1 - start.length - end.length;
  return start + middle.repeat(Math.floor(left / middle.length)) + end;
}

function expectRefused(keys: readonly string[], line: string): void {
  m.write("/etc/jailkit/jk_lsh.ini", ["[dev]", ...keys, ""].join("\n"));
  // What grows faster than the line takes minutes.
  const limited = ["prlimit", "--cpu=10:10", "/usr/sbin/jk_lsh", "-c", line];
  const { status, stderr } = m.run(limited, { user: "dev", env: { USER: "dev" }, cwd: "/" });
  // 4: not allowed; 6: the comparison takes too many steps
  expect([status === 4 || status === 6 ? "refused" : status, stderr.slice(0, 17)]).toEqual([
    "refused",
    "jk_lsh: refused: ",
  ]);
}

test.each([
  ["digits", full("", "1", "x")],
  ["numbers and dots", full("", "1.", "x")],
  ["numbers and dashes", full("", "-1", "!")],
  ["dashes", full("", "-", "!")],
  ["architectures", full("x86_64", "-a", "!")],
])("a program of %s, for a word that takes versions", (_, line) => {
  expectRefused(["allow = unison"], line);
});

test("a repository of slashes", () => {
  const keys = ["paths = /usr/bin", "executables = /usr/bin/git-upload-archive"];
  expectRefused(keys, full("git-upload-archive '", "/", "x'"));
});

test.each([
  ["sftp", full("/usr/lib/openssh/sftp-server ", "-e ", "x")],
  ["scp", full("scp -t ", "-d ", "-x")],
  ["rsync", full("rsync --server ", "--links ", "x")],
  ["git write", full("git-receive-pack ", "-q ", "x")],
  ["borg", full("borg serve ", "--umask=1 ", "x")],
])("arguments for allow = %s", (word, line) => {
  expectRefused([`allow = ${word}`, "read = /usr", "write = /tmp"], line);
});

test.each([
  ["words", "echo ... ... ... ... ... ... ... x", full("echo ", "a ", "b")],
  ["runs", "echo **a**a**a**a**a**a**b", full("echo ", "a", "c")],
  ["dots", "echo **a**", full("echo ", "..", "")],
  ["backslashes", "echo **a**", full("echo '", "\\.", "'")],
])("a pattern and %s", (_, pattern, line) => {
  expectRefused([`command x = ${pattern}`], line);
});

test("homes of other accounts", () => {
  const passwd = m.read("/etc/passwd");
  const accounts = Array.from(
    { length: 20_000 },
    (_, at) => `a${at}:x:${9000 + at}:9000::/home/a${at}:/bin/sh\n`,
  );
  m.write("/etc/passwd", passwd + accounts.join(""));
  const keys = ["executables = /bin/true", "allow_word_expansion = 1"];
  expectRefused(keys, `/bin/true ${"~nobody1 ".repeat(14_000)}`);
  m.write("/etc/passwd", passwd);
});
