/** What `jailkit explain --launch` reports about jk_chrootlaunch agrees with what that then does. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.addUser("daemonic");
});
afterAll(() => m?.close());

const usual = ["-j", J, "-x", "/bin/sh", "-u", "daemonic"];
const cases: [name: string, words: string[], check: string, make?: () => undefined | (() => unknown)][] = [
  ["that works", [...usual, "--", "-c", "exit 0"], ""],
  ["by the path on the host", ["-j", J, "-x", `${J}/bin/sh`, "-u", "daemonic", "--", "-c", "exit 0"], ""],
  ["as root, with a warning", ["-j", J, "-x", "/bin/sh", "--", "-c", "exit 0"], ""],
  ["an unknown user", ["-j", J, "-x", "/bin/sh", "-u", "nosuch"], "user"],
  ["an unknown capability", [...usual, "--keep-caps", "nosuch"], "capabilities"],
  ["options that exclude each other", [...usual, "--daemon", "--notify"], "options"],
  ["no jail", ["-x", "/bin/sh"], "options"],
  ["no program", ["-j", J], "options"],
  ["a relative jail", ["-j", "srv/j", "-x", "/bin/sh"], "options"],
  ["a jail that is not there", ["-j", "/srv/none", "-x", "/bin/sh"], "jail"],
  [
    "a jail that is not safe",
    usual,
    "jail",
    () => {
      m.chmod(J, 0o777);
      return () => m.chmod(J, 0o755);
    },
  ],
  ["a program that is not there", ["-j", J, "-x", "/bin/none"], "program"],
  [
    "a program that others can change",
    usual,
    "program",
    () => {
      m.must(["chmod", "o+w", `${J}/bin/sh`]);
      return () => m.must(["chmod", "o-w", `${J}/bin/sh`]);
    },
  ],
  [
    "a program that the user may not execute",
    usual,
    "exec",
    () => {
      m.must(["chmod", "o-x", `${J}/bin/sh`]);
      return () => m.must(["chmod", "o+x", `${J}/bin/sh`]);
    },
  ],
  [
    "a jail that is mounted noexec",
    usual,
    "exec",
    () => {
      m.must(["mount", "--bind", J, J]);
      m.must(["mount", "-o", "remount,bind,noexec", J]);
      return () => m.must(["umount", "-l", J]);
    },
  ],
  [
    "a program without its dynamic linker",
    usual,
    "libraries",
    () => {
      m.must(["mv", `${J}/lib64`, `${J}/lib65`]);
      return () => m.must(["mv", `${J}/lib65`, `${J}/lib64`]);
    },
  ],
];

test.each(cases)("%s", (_name, words, check, make) => {
  const undo = make?.();
  try {
    const { status: told, stdout } = m.run(["jailkit", "explain", "--json", "--launch", "--", ...words]);
    const found = reportOf(explainReportSchema, stdout);
    const { status } = m.run(["jk_chrootlaunch", ...words]);
    const failed = found.steps.find(({ outcome }) => outcome === "failed");
    expect([failed?.name ?? "", found.exitStatus ?? 0]).toEqual([check, status]);
    expect([told, found.verdict]).toEqual(check === "" ? [0, "works"] : [1, "refused"]);
    const text = m.run(["jailkit", "explain", "--launch", "--", "jk_chrootlaunch", ...words]);
    expect(text.status).toBe(told);
    expect(text.stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^jk_chrootlaunch as \S+ would (?:work|be refused)/,
    );
  } finally {
    undo?.();
  }
});

test("users other than root are told that root is needed; arguments are checked as jk_chrootlaunch does", () => {
  const asUser = m.run(["jailkit", "explain", "--json", "--launch", "--", ...usual], { user: "daemonic" });
  const { steps } = reportOf(explainReportSchema, asUser.stdout);
  expect(steps.find(({ outcome }) => outcome === "failed")).toMatchObject({ name: "root", exitStatus: 35 });
  const wrong = m.run(["jailkit", "explain", "--launch", "--", "--nosuch"]);
  expect(wrong).toMatchObject({ status: 2, stdout: "" });
  expect(wrong.stderr).toContain("jk_chrootlaunch: unrecognized option '--nosuch'");
});
