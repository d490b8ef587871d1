/** A jail given by -j and as an operand, and -n, in every tool: the same happens. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.addUser("u", { uid: 4001 });
  m.must(["jk_init", "-j", J, "uidbasics"]);
  m.must(["jk_cp", "-j", J, "true", "printf"]);
  m.write("/etc/jailkit/jk_uchroot.ini", `[u]\nallowed_jails = ${J}\nskip_injail_passwd_check = 1\n`);
  m.write("/etc/jailkit/jk_lsh.ini", "");
  m.must(["jailkit", "export", "-o", "/root/export.json", J]);
});
afterAll(async () => m.close());

/** Runs two ways of saying the same, and compares all that they say and what they end with. */
function same(one: readonly string[], other: readonly string[], user?: string) {
  const options = user === undefined ? {} : { user, env: { USER: user } };
  const [a, b] = [m.run(one, options), m.run(other, options)];
  expect([b.status, b.stdout, b.stderr]).toEqual([a.status, a.stdout, a.stderr]);
  return a;
}

describe("-j JAIL and JAIL", () => {
  test("jk_init, jk_cp, jk_update and jk_check", () => {
    expect(same(["jk_init", "-j", J, "uidbasics"], ["jk_init", J, "uidbasics"]).status).toBe(0);
    expect(same(["jk_cp", "-j", J, "true"], ["jk_cp", J, "true"]).status).toBe(0);
    m.remove(`${J}/usr/bin/true`);
    expect(same(["jk_update", "-nj", J], ["jk_update", "-n", J]).stdout).toContain("true");
    // Directories come after it.
    expect(same(["jk_update", "-n", "-j", J, "/etc"], ["jk_update", "-n", J, "/etc"]).stdout).not.toContain(
      "true",
    );
    m.must(["jk_update", J]);
    expect(m.exists(`${J}/usr/bin/true`)).toBe(true);
    expect(same(["jk_check", "-j", J], ["jk_check", J]).stdout).not.toContain("/srv/other");
  });

  test("jk_list and the commands of jailkit", () => {
    expect(same(["jk_list", "-j", J], ["jk_list", J]).status).toBe(0);
    expect(same(["jailkit", "list", "-j", J], ["jailkit", "list", J]).stdout).toContain(J);
    expect(same(["jailkit", "disk", "-j", J, "-j", J], ["jailkit", "disk", J, J]).stdout).toContain("all");
    expect(same(["jailkit", "adopt", "-n", "-j", J], ["jailkit", "adopt", "-n", J]).stderr).toContain(J);
    expect(same(["jailkit", "delete", "-n", "-j", J], ["jailkit", "delete", "-n", J]).stdout).toContain(J);
    const words = ["u", "--", "/usr/bin/true"];
    const told = same(["jailkit", "explain", "-j", J, ...words], ["jailkit", "explain", J, ...words]);
    expect(told.stdout).toContain("jk_uchroot for u would work");
  });

  test("jk_jailuser and jk_addjailuser", () => {
    m.addUser("moving", { uid: 4005 });
    const dry = ["jk_jailuser", "--dry-run"];
    expect(same([...dry, "-j", J, "moving"], [...dry, J, "moving"]).status).toBe(0);
    m.must(["jk_jailuser", "-n", J, "moving"]);
    expect(m.read("/etc/passwd")).toContain(`:${J}/./home/moving:/usr/sbin/jk_chrootsh\n`);
    const add = ["jk_addjailuser", "--dry-run"];
    expect(same([...add, "-j", J, "new"], [...add, J, "new"]).status).toBe(0);
  });

  test("jk_chrootlaunch and jk_uchroot", () => {
    const words = ["%s|", "a", "b"];
    const launched = same(
      ["jk_chrootlaunch", "-j", J, "-x", "/usr/bin/printf", "-u", "u", ...words],
      ["jk_chrootlaunch", "-x", "/usr/bin/printf", "-u", "u", J, ...words],
    );
    expect(launched).toMatchObject({ status: 0, stdout: "a|b|" });
    const entered = same(
      ["jk_uchroot", "-j", J, "-x", "/usr/bin/printf", ...words],
      ["jk_uchroot", "-x", "/usr/bin/printf", "--", J, ...words],
      "u",
    );
    expect(entered).toMatchObject({ status: 0, stdout: "a|b|" });
    // What the settings do not allow is refused however it is named.
    for (const how of [["-j", "/srv"], ["/srv"]]) {
      const refused = m.run(["jk_uchroot", "-x", "/usr/bin/printf", ...how], {
        user: "u",
        env: { USER: "u" },
      });
      expect([refused.status, refused.stderr]).toEqual([21, expect.stringContaining("(error id JK-")]);
    }
    // One spelling of the program, and that of jailkit 2.
    for (const name of ["--exec", "--executable", "-x"]) {
      const asUser = { user: "u", env: { USER: "u" } };
      expect(m.run(["jk_uchroot", "-j", J, name, "/usr/bin/true"], asUser).status).toBe(0);
      expect(m.run(["jk_chrootlaunch", "-j", J, name, "/usr/bin/true"]).status).toBe(0);
    }
  });
});

describe("-n", () => {
  const all = () => [m.snapshot(J), m.snapshot("/var/lib/jailkit"), m.read("/etc/passwd")];

  const cases: readonly (readonly string[])[] = [
    ["jk_init", "-j", J, "netbasics"],
    ["jk_cp", "-j", J, "cat"],
    ["jk_cp", "--remove", "-j", J, "/usr/bin/true"],
    ["jk_update", J],
    ["jailkit", "adopt", "-f", J],
    ["jailkit", "import", "--without-users", "-j", "/srv/imported", "/root/export.json"],
    ["jailkit", "forget", "--with-users", J],
    ["jailkit", "delete", "--unjail", "--user-files", J],
  ];
  test.each(cases.map((words) => [words.join(" "), words] as const))("%s", (_, words) => {
    m.write(`${J}/usr/bin/true`, "old", { mode: 0o755 });
    const before = all();
    const { status, stdout } = same([...words, "-n"], [...words, "--dry-run"]);
    expect(status).toBe(0);
    expect(stdout).not.toBe("");
    expect(all()).toEqual(before);
  });

  test("jk_update takes jailkit 2's -d for the same", () => {
    const before = all();
    expect(same(["jk_update", "-d", "-j", J], ["jk_update", "-n", "-j", J]).status).toBe(0);
    expect(all()).toEqual(before);
  });

  test("of jk_jailuser is not a dry run, as in jailkit 2", () => {
    m.addUser("asked", { uid: 4006 });
    m.must(["jk_jailuser", "-n", "-j", J, "asked"]);
    expect(m.read("/etc/passwd")).toContain(`:${J}/./home/asked:/usr/sbin/jk_chrootsh\n`);
    const { stdout } = m.must(["jk_jailuser", "--help"]);
    expect(stdout.replace(/\s+/g, " ")).toContain("(a dry run is --dry-run)");
  });
});

describe("an empty name, as of an unset variable, is not a name", () => {
  const option = (tool: string, long: string) =>
    `${tool}: the value of option '--${long}' is empty; see '${tool} --help'\n`;
  const argument = (tool: string) => `${tool}: an argument is empty; see '${tool} --help'\n`;

  test.each([
    [1, "jk_init", ["-j", "", "uidbasics"], "jail"],
    [1, "jk_init", ["", "uidbasics"], undefined],
    [1, "jk_init", ["-j", J, ""], undefined],
    [1, "jk_init", ["-c", "", "-j", J, "uidbasics"], "configfile"],
    [1, "jk_cp", ["-j", "", "true"], "jail"],
    [1, "jk_cp", ["-j", J, ""], undefined],
    [1, "jk_cp", ["-j", J, "--remove", ""], undefined],
    [1, "jk_jailuser", ["-j", "", "u"], "jail"],
    [1, "jk_jailuser", ["-j", J, ""], undefined],
    [1, "jk_jailuser", ["-j", J, "-s", "", "u"], "shell"],
    [1, "jk_jailuser", ["-j", J, "--authorized-key", "", "u"], "authorized-key"],
    [1, "jk_addjailuser", ["-j", "", "v"], "jail"],
    [1, "jk_addjailuser", ["-j", J, "-d", "", "v"], "home"],
    [1, "jk_addjailuser", ["-j", J, "--authorized-key=", "v"], "authorized-key"],
    [1, "jk_update", ["-j", ""], "jail"],
    [1, "jk_update", [""], undefined],
    [2, "jk_check", ["-j", ""], "jail"],
    [2, "jk_check", [""], undefined],
    [2, "jk_check", ["-c", "", J], "configfile"],
    [1, "jk_list", ["-j", ""], "jail"],
    [1, "jk_list", [""], undefined],
    [1, "jk_socketd", ["-p", ""], "pidfile"],
  ] as const)("%i %s %j", (status, tool, words, long) => {
    const before = m.snapshot(J);
    const stderr = long === undefined ? argument(tool) : option(tool, long);
    expect(m.run([tool, ...words])).toMatchObject({ status, stdout: "", stderr });
    expect(m.snapshot(J)).toEqual(before);
  });

  test.each(["list", "delete", "disk", "adopt", "export", "forget"])("jailkit %s", (command) => {
    for (const words of [["-j", ""], [""]]) {
      const { status, stderr } = m.run(["jailkit", command, ...words]);
      expect([status, stderr]).toEqual([
        1,
        words.length > 1 ? option(`jailkit ${command}`, "jail") : argument(`jailkit ${command}`),
      ]);
    }
  });

  test("an empty path to skip skips nothing", () => {
    expect(m.run(["jk_update", "-j", J, "-s", "", "--check"])).toMatchObject({ stderr: "" });
  });

  test("jk_chrootlaunch has an exit status of its own for a jail", () => {
    const { status, stderr } = m.run(["jk_chrootlaunch", "-j", "", "-x", "/usr/bin/true"]);
    expect([status, stderr]).toEqual([27, "jk_chrootlaunch: '': not an absolute path; write it from / on\n"]);
  });

  test("not of what a program is given", () => {
    const words = ["-j", J, "-x", "/usr/bin/printf", "--", "<%s>", "", "x"];
    const other = m.run(["jk_uchroot", ...words], { user: "u", env: { USER: "u" } });
    expect(other).toMatchObject({ status: 0, stdout: "<><x>" });
    expect(m.run(["jk_chrootlaunch", ...words.filter((word) => word !== "--")]).stdout).toBe("<><x>");
  });
});

describe("no option is ignored without a word", () => {
  const both = (one: string, other: string) => `give ${one} or ${other}, not both`;

  test.each([
    [["adopt", "--moved", J, "--force", "/srv/new"], both("--moved", "--force")],
    [["adopt", "-c", "/dev/null", "--moved", J], both("--moved", "--configfile")],
    [["adopt", "--all", "-j", J], both("--all", "--jail")],
    [["explain", "--launch", "--mail", "--", J, "/usr/bin/true"], both("--launch", "--mail")],
    [["explain", "--launch", "-j", J, "--", J, "/usr/bin/true"], both("--launch", "--jail")],
    [["explain", "--su", "--launch", "--", J, "/usr/bin/true"], both("--launch", "--su")],
    [["explain", "--mail", "--from", "192.0.2.1", "u"], both("--mail", "--from")],
    [["explain", "--su", J, "u", "--", "/usr/bin/true"], "--su and --from are only for logins"],
    [["explain", "--from", "192.0.2.1", "JK-AAAAAAAA"], "--su and --from are only for logins"],
    [["apply", "--config-dir", "/etc/jailkit"], "--config-dir is for --check"],
  ])("jailkit %p", ([command = "", ...words], message) => {
    const { status, stdout, stderr } = m.run(["jailkit", command, ...words]);
    const told = `jailkit ${command}: ${message}; see 'jailkit ${command} --help'\n`;
    expect([status, stdout, stderr]).toEqual([2, "", told]);
  });
});
