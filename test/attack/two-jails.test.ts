/** What docs/security.md says of two users in two jails who help each other out, and of what prevents it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(60_000);

const SECRET = "only outside\n";
const LIMITS = "/etc/jailkit/jk_chrootsh.ini";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_addjailuser", "jk_chrootsh"] });
  m.write("/etc/outside", SECRET);
  const program = readFileSync(compiledC(join(import.meta.dir, "two-jails.c"), ["-static"]));
  for (const name of ["fred", "kim"]) {
    m.must(["jk_init", "-j", `/srv/${name}`, "uidbasics", "basicshell"]);
    m.must(["jk_addjailuser", "-p", "*", "-s", "/bin/bash", "-j", `/srv/${name}`, name]);
    m.write(`/srv/${name}/usr/bin/two-jails`, program, { mode: 0o755 });
  }
});
afterAll(() => m?.close());

/** What kim reads when fred sends the root directory of the own jail, and how it ended for the one who connects. */
async function hop(limits: string, listens: "fred" | "kim") {
  m.write(LIMITS, limits);
  const session = (...words: readonly string[]) => [
    "/usr/sbin/jk_chrootsh",
    "-c",
    `two-jails ${words.join(" ")}`,
  ];
  const does = { fred: "send", kim: "receive" };
  const connects = listens === "kim" ? "fred" : "kim";
  const first = m.start(session("listen", does[listens]), { user: listens });
  await first.until(({ stdout, stderr }) => (stdout + stderr === "" ? undefined : true));
  const second = m.run(session("connect", does[connects]), { user: connects });
  if (second.status !== 0) first.kill();
  const { stdout } = await first.ended;
  return { read: (stdout + second.stdout).replace("there\n", ""), second };
}

test.each(["kim", "fred"] as const)(
  "a directory that one sends leads the other out, where %s listens",
  async (listens) => {
    expect(await hop("", listens)).toMatchObject({ read: SECRET, second: { status: 0 } });
  },
);

test("scope = 1 of one prevents it only where this one connects", async () => {
  const { read, second } = await hop("[fred]\nscope = 1\n", "kim");
  expect([read, second.status, second.stderr]).toEqual(["", 1, expect.stringContaining("connect:")]);
  expect(await hop("[fred]\nscope = 1\n", "fred")).toMatchObject({ read: SECRET });
});

test.each(["kim", "fred"] as const)("scope = 1 of both prevents it, where %s listens", async (listens) => {
  const { read, second } = await hop("[DEFAULT]\nscope = 1\n", listens);
  expect([read, second.status, second.stderr]).toEqual(["", 1, expect.stringContaining("connect:")]);
});

test.each(["kim", "fred"] as const)("so does network = none of one, where %s listens", async (listens) => {
  const { read } = await hop("[fred]\nnetwork = none\n", listens);
  expect(read).toBe("");
});
