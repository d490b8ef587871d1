/** How outcomes look: colours on a real terminal, and the line of a config file that an error is about. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const RED = "\x1b[31m";
const GREEN = "\x1b[32m";
const YELLOW = "\x1b[33m";
const END = "\x1b[0m";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  const bridge = compiledC(join(import.meta.dir, "../machine/terminal-bridge.c"), ["-static"]);
  m.write("/usr/bin/terminal-bridge", readFileSync(bridge), { mode: 0o755 });
  m.must(["jk_init", "-j", J, "uidbasics"]);
  m.must(["jk_addjailuser", "-j", J, "u"]);
  m.remove(`${J}/etc/passwd`);
  m.write("/etc/jailkit/jk_uchroot.ini", "[nosuch]\nallowed_jails = /srv/j\nenv = PATH\n");
});
afterAll(async () => m.close());

/** What a terminal gets to see. */
async function onTerminal(words: readonly string[], env: Record<string, string> = { TERM: "xterm" }) {
  const program = m.start(["terminal-bridge", "80", "24", ...words], {
    env: { PATH: "/usr/sbin:/usr/bin", ...env },
  });
  const { status, stdout } = await program.ended;
  return { status, screen: stdout.replaceAll("\r\n", "\n") };
}

const withoutColours = (text: string) => text.replace(/\x1b\[\d+m/g, "");

const programs: readonly (readonly [name: string, words: readonly string[], shows: string])[] = [
  ["jailkit explain", ["jailkit", "explain", "u"], `${RED}FAILED${END}`],
  ["jk_check", ["jk_check", J], `${RED}ERROR${END}: `],
  [
    "jailkit config check",
    ["jailkit", "config", "check", "/etc/jailkit/jk_uchroot.ini"],
    `jk_uchroot.ini:1:1: ${RED}error${END}: `,
  ],
];

describe.each(programs)("%s", (_, words, shows) => {
  const [program = "", ...rest] = words;
  const operand = rest.at(-1) ?? "";
  const withColor = (when: string) => [program, ...rest.slice(0, -1), `--color=${when}`, operand];

  test("has colours on a terminal, and the same text", async () => {
    const { status, screen } = await onTerminal(words);
    const piped = m.run(words);
    expect(screen).toContain(shows);
    expect([status, withoutColours(screen)]).toEqual([piped.status, piped.stdout]);
  });

  test("has none in a pipe, and none on a terminal that asks for none", async () => {
    const { stdout } = m.run(words, { env: { PATH: "/usr/sbin:/usr/bin", TERM: "xterm" } });
    expect(stdout).not.toContain("\x1b");
    for (const env of [{ TERM: "xterm", NO_COLOR: "1" }, { TERM: "dumb" }, {}] as Record<string, string>[])
      expect((await onTerminal(words, env)).screen).toBe(stdout);
    expect((await onTerminal(withColor("never"))).screen).toBe(stdout);
  });

  test("obeys --color above all else", async () => {
    expect(m.run(withColor("always")).stdout).toContain(shows);
    expect((await onTerminal(withColor("always"), { TERM: "dumb", NO_COLOR: "1" })).screen).toContain(shows);
    expect(m.run(withColor("auto")).stdout).not.toContain("\x1b");
    expect(m.run(withColor("sometimes"))).toMatchObject({ status: 2, stdout: "" });
  });
});

test("jailkit config check: a relative file means nothing in a directory that was removed", () => {
  const command = "jailkit config check etc/jailkit/jk_uchroot.ini";
  const result = m.run(["sh", "-c", `mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone; ${command}`]);
  const stderr = "jailkit config: etc/jailkit/jk_uchroot.ini: getcwd: No such file or directory\n";
  expect(result).toMatchObject({ stdout: "", stderr });
  expect(result.status).not.toBe(0);
});

describe("jailkit config check without findings", () => {
  const good = "/etc/jailkit/jk_check.ini";
  const words = ["jailkit", "config", "check", good];

  test("says so on a terminal", async () => {
    expect(await onTerminal(words)).toEqual({ status: 0, screen: `${GREEN}no findings${END} in ${good}\n` });
    expect((await onTerminal(words, {})).screen).toBe(`no findings in ${good}\n`);
  });

  test("and nothing in a pipe", () => {
    expect(m.run(words)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });
});

describe("the line of an error, with a caret under the place", () => {
  test("in the findings of config check, in colours too", async () => {
    const file = "/etc/jailkit/jk_uchroot.ini";
    const words = ["jailkit", "config", "check", file];
    m.write(
      file,
      "[root]\nallowed_jails = /srv/j, relative\n\tenv = PATH,\xe6\x97\xa5,LD_\x07\nstray \x1b[31m\n",
    );
    const { stdout, status } = m.run(words);
    expect(status).toBe(1);
    const lines = stdout.split("\n");
    const shown = lines
      .map((line) => line.replace(/^(\S+:\d+:\d+: \w+): .*(\[[\w-]+\])$/, "$1 $2"))
      .slice(0, -1);
    expect(shown).toEqual([
      `${file}:2:25: error [bad-path]`,
      "    2 | allowed_jails = /srv/j, relative",
      "      |                         ^",
      `  remedy: write in line 2 of ${file}:`,
      "    allowed_jails = /srv/j",
      `${file}:3:13: error [bad-name]`,
      "    3 |         env = PATH,\xe6\x97\xa5,LD_\\x07",
      "      |                    ^",
      `  remedy: write in line 3 of ${file}:`,
      // Without either of them.
      "     env = PATH",
      `${file}:3:17: error [bad-name]`,
      "    3 |         env = PATH,\xe6\x97\xa5,LD_\\x07",
      "      |                       ^",
      `  remedy: write in line 3 of ${file}:`,
      "     env = PATH",
      `${file}:4:1: warning [stray-text]`,
      "    4 | stray \\x1b[31m",
      "      | ^",
      `  remedy: sed -i '4s/^/#/' ${file}`,
    ]);
    const { screen } = await onTerminal(words);
    expect(screen).toContain(`${file}:4:1: ${YELLOW}warning${END}: `);
    expect(withoutColours(screen)).toBe(stdout);
  });

  test("of root's tools, below an unchanged first line", () => {
    m.write("/root/jk_init.ini", "[a]\npaths = /bin/ls\n  stray\nparts\n");
    const { stderr } = m.run(["jk_init", "-c", "/root/jk_init.ini", "-j", J, "a"]);
    expect(stderr).toBe(
      "jk_init: /root/jk_init.ini:4:1: error: a line that has no '=' and no ':' [stray-text]\n" +
        "    4 | parts\n" +
        "      | ^\n",
    );
    m.write("/root/jk_init.ini", "[a]\nx = 1\n\\ \xff\n");
    const said = m.run(["jk_init", "-c", "/root/jk_init.ini", "--list"]).stderr;
    expect(said.split("\n").slice(1)).toEqual(["    3 | \\\\ \\xff", "      | ^", ""]);
  });

  test("jk_check reports a file that it cannot use, and JSON has line and column", () => {
    m.write("/etc/jailkit/jk_check.ini", `[${J}]\n[relative]\nignorepatheverywhere = /x\n`);
    const { stderr, status } = m.run(["jk_check"]);
    expect(status).toBe(2);
    expect(stderr).toContain(
      "jk_check: /etc/jailkit/jk_check.ini:2: relative is not the absolute path of a jail, which a section needs as its name\n" +
        "    2 | [relative]\n" +
        "      | ^\n",
    );
    const { host } = reportOf(checkReportSchema, m.run(["jk_check", "--json"]).stdout);
    expect(host.problems).toContainEqual(
      expect.objectContaining({ code: "bad-section", line: 2, column: 1 }),
    );
    m.write("/etc/jailkit/jk_check.ini", "");
  });

  test("no line of an untrusted file is shown, and none to a user at login", () => {
    m.write("/etc/jailkit/jk_update.ini", "[secret\n", { mode: 0o666 });
    expect(m.run(["jk_update", "--all"]).stderr).not.toContain("[secret");
    m.remove("/etc/jailkit/jk_update.ini");
    m.mkdir("/srv/open/etc/jailkit", { mode: 0o777 });
    // As a login sees it, the link leads to a file of the jail.
    m.write("/srv/open/etc/shadow", m.read("/etc/shadow"), { mode: 0o600 });
    m.symlink("/etc/shadow", "/srv/open/etc/jailkit/jk_lsh.ini");
    const findings = m.run(["jailkit", "config", "check", "/srv/open/etc/jailkit/jk_lsh.ini"]).stdout;
    expect(findings).toContain("[unsafe-file]");
    expect(findings).toContain("[stray-text]");
    expect(findings).not.toContain(m.read("/etc/shadow").split("\n")[0] ?? "");
    m.write("/etc/jailkit/jk_chrootsh.ini", "[secret\n");
    const { stderr, status } = m.run(["jk_chrootsh"], { user: "u", env: { USER: "u" } });
    expect([status, stderr.split("\n").length, stderr.includes("secret")]).toEqual([14, 2, false]);
  });
});
